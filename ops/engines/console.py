"""What `presscheck engines` shows beside its tables: details, a picture's facts, and bars of steps and bytes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from ops.console import err, out, print_table
from ops.engines.listing import Line


def details(row: Line) -> None:
    """All of one engine."""
    pixels = ", ".join(f"{batch} of up to {pixels / 1e6:.2f} megapixels" for pixels, batch in row.batches)
    loaded = [
        f"{n}={v}"
        for n, v in (("precision", row.precision), ("quantise", row.quantise), ("offload", row.offload))
        if v != "none"
    ]
    print_table(
        ("", ""),
        [
            ("kind", row.kind),
            ("model", row.model + (f" @ {row.revision[:12]}" if row.revision else "")),
            ("licence", row.licence or "-"),
            ("weights", row.weights + (f", revision {row.installed_revision[:12]}" if row.installed_revision else "")),
            ("runs here", f"{row.way}: {row.why}" if row.way else f"no: {row.why}"),
            ("loaded as", ", ".join(loaded) or "-"),
            ("largest batch", pixels),
            ("price", row.price),
        ],
        title=row.engine,
    )


def say_tried(facts: Mapping[str, Any]) -> None:
    """Where the picture is, and what made it."""
    console = out()
    console.print(facts["file"], markup=False, soft_wrap=True)
    cost = "" if facts["cost_usd"] is None else f", ${facts['cost_usd']:g}"
    sampled = f"{facts['preset']}: {facts['scheduler']}, {facts['steps']} steps, guidance {facts['guidance']:g}"
    rows = [
        ("picture", f"{facts['width']}x{facts['height']} {facts['media_type']}, {facts['size_bytes'] / 1e6:.2f} MB"),
        ("seed", facts["seed"]),
        (
            "sampling",
            sampled,
        ),
        ("engine", f"{facts['engine']}, {facts['backend']} on {facts['device']}"),
        ("time", f"loaded {facts['load_ms'] / 1000:.1f} s, engine {facts['engine_ms'] / 1000:.1f} s{cost}"),
        ("sha256", facts["sha256"]),
        *(
            (f"cut by {c['encoder']}", f"{c['tokens']} tokens, {c['limit']} seen: lost “{c['lost']}”")
            for c in facts["cut"]
        ),
        *(("damaged", f"{mode}, on purpose") for mode in facts["injected"]),
        *(("made", f"{what}: {how}") for what, how in facts["made"].items()),
        *(("finish", f"{what}: {how}") for what, how in facts["finish"].items()),
        *([("verdict", facts["verdict"])] if "verdict" in facts else []),
        *(("", reason) for reason in facts.get("reasons", ())),
    ]
    print_table(("", ""), rows)


class Steps:
    """Draws the steps of a render; nothing where nobody watches."""

    def __init__(self, draw: Callable[[int, int], None] | None) -> None:
        self._draw = draw

    def step(self, done: int, of: int) -> None:
        """Told by the engine after each step."""
        if self._draw is not None:
            self._draw(done, of)


@contextmanager
def steps_bar() -> Generator[Steps]:
    """A bar of steps on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield Steps(None)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("rendering"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err(), transient=True) as bar:
        task = bar.add_task("rendering", total=None)
        yield Steps(lambda done, of: bar.update(task, completed=done, total=of))


@contextmanager
def bytes_bar(what: str, total: int, done: int) -> Generator[Callable[[int], None]]:
    """A bar of bytes on standard error; where that is no terminal, a line for each tenth."""
    console = err()
    if console.is_terminal:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=total, completed=done)
            yield lambda more: bar.advance(task, more)
        return
    seen = {"bytes": done, "tenth": done * 10 // max(1, total)}

    def line(more: int) -> None:
        seen["bytes"] += more
        if (tenth := seen["bytes"] * 10 // max(1, total)) > seen["tenth"]:
            seen["tenth"] = tenth
            console.print(f"{what} {tenth * 10} %", soft_wrap=True)

    yield line
