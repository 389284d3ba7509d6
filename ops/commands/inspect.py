"""`presscheck inspect`: the checks and the verdict on files, with no broker."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ops.console import EXIT_FINDING, JsonOption, out, print_table, progress
from schemas.errors import Poison
from schemas.events import Lane, Verdict

if TYPE_CHECKING:
    from ops.files.inspection import Wanted

THREADS_MAX: Final = 4
"""More threads than this read one picture no faster."""
STYLES: Final = {Verdict.ACCEPT: "green", Verdict.REVIEW: "yellow", Verdict.REJECT: "red"}


def inspect(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE…", help="Images to inspect.")] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            help='Text the image must show, in reading order; once for each phrase. "" alone: no text at all.'
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FILE.jsonl|-", help='Many files, one a line: {"file": "a.png", "expect": ["TEXT"]}.'
        ),
    ] = None,
    lane: Annotated[Lane, typer.Option(help="Lane whose strictness holds.")] = Lane.CRITICAL,
    brand: Annotated[str, typer.Option(help="Brand of config/brands: its swatches and its own letters.")] = "",
    prompt: Annotated[
        str, typer.Option(help="What it was made from: people, flat areas or a mark that were asked for count.")
    ] = "",
    width: Annotated[int | None, typer.Option(min=64, max=8192, help="Width wanted, pixels.")] = None,
    height: Annotated[int | None, typer.Option(min=64, max=8192, help="Height wanted, pixels.")] = None,
    logo: Annotated[
        list[Path] | None, typer.Option("--logo", metavar="FILE", help="A logo that must be there; once for each.")
    ] = None,
    crop: Annotated[
        list[str] | None, typer.Option("--crop", metavar="4:5", help="A ratio it will be cropped to; once for each.")
    ] = None,
    bleed: Annotated[
        int, typer.Option("--bleed", metavar="PX", min=0, max=2048, help="Pixels at each edge that may be trimmed.")
    ] = 0,
    config: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder with the rules.")] = None,
    overlay: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Draw what was found on the picture; one FILE only.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Inspect images: what is measured, what is wrong with it, and the verdict.

    Without --expect and --from, text is read and not judged. Exit status: 0 where every file is accepted,
    1 where one is rejected or needs review, 2 for wrong use, such as a FILE that is not there.
    """
    if bool(files) == (source is not None) or (source is not None and expect is not None):
        raise Poison("name files with --expect, or give them with --from, one of the two")
    _check_files(files or (), overlay)
    from broker import settings as settings_module
    from ops.files.inspection import FileInspector, Wanted
    from ops.files.report import report
    from ops.overlay.draw import draw_overlay
    from ops.rulesets.publish import read_config
    from workers.checks.cores import cores
    from workers.checks.readers import open_readers
    from workers.checks.registry import open_checks
    from workers.checks.vision import open_vision

    wish = None if expect is None else tuple(t for t in expect if t)
    default = Wanted(
        file=Path(),
        expect=wish,
        lane=lane,
        brand=brand,
        width=width,
        height=height,
        logos=tuple(logo or ()),
        crops=tuple(crop or ()),
        bleed_px=bleed,
        prompt=prompt,
    )
    settings = settings_module.load()
    ruleset, vision = read_config(config or settings.config_dir), open_vision(settings)
    inspector = FileInspector(
        ruleset,
        lambda: open_readers(ruleset.readers, threads=min(THREADS_MAX, cores()), vision=vision),
        open_checks(vision),
    )
    accepted = True
    for wanted in progress(_wanted(files, source, default), len(files) if files else None, "inspected"):
        result = inspector.inspect(wanted)
        accepted = accepted and result.verdict is Verdict.ACCEPT
        _print(report(result, ruleset.checks), result.verdict, as_json=as_json)
        if overlay is not None and result.inspection and result.judgement:
            seen, judged = result.inspection, result.judgement
            try:
                draw_overlay(wanted.file, seen, judged, overlay, crops=wanted.crops, bleed_px=wanted.bleed_px)
            except OSError as e:
                raise Poison(f"--overlay {overlay} cannot be written: {e.strerror or e}") from e
    if not accepted:
        raise typer.Exit(EXIT_FINDING)


def _check_files(files: Sequence[Path], overlay: Path | None) -> None:
    """Names that cannot be meant are wrong use, told before the models are loaded. Raises Poison."""
    for file in files:
        if not file.exists():
            raise Poison(f"there is no file {file}")
        if file.is_dir():
            raise Poison(f"{file} is a folder; name its pictures, such as {file / '*.png'}")
    if overlay is None:
        return
    if len(files) != 1:
        raise Poison("--overlay draws on one FILE")
    if overlay.suffix.lower() != ".png":
        raise Poison(f"--overlay {overlay} must end in .png, which is what it writes")
    if not overlay.parent.is_dir():
        raise Poison(f"--overlay {overlay}: there is no folder {overlay.parent}; make it first")
    if overlay.is_dir() or (overlay.exists() and overlay.samefile(files[0])):
        raise Poison(f"--overlay {overlay} would replace {'a folder' if overlay.is_dir() else 'the picture itself'}")


def _wanted(files: list[Path] | None, source: str | None, default: Wanted) -> Iterator[Wanted]:
    """What to inspect, line by line as it comes in, so that a pipe can feed it for hours."""
    from dataclasses import replace

    from ops.files.lines import parse_lines

    if files:
        yield from (replace(default, file=f) for f in files)
        return
    with _lines(str(source)) as lines:
        yield from parse_lines(lines, default)


@contextmanager
def _lines(source: str) -> Generator[Iterable[str]]:
    if source == "-":
        yield sys.stdin
        return
    try:
        with Path(source).open(encoding="utf-8") as file:
            yield file
    except (OSError, UnicodeDecodeError) as e:
        raise Poison(f"{source} cannot be read: {e}") from e


def _print(data: dict[str, Any], verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    out().print(f"[{STYLES[verdict]}]{verdict.value}[/]  ", end="")
    out().print(data["file"], markup=False)
    for reason in data["reasons"]:
        out().print(f"  {reason}", markup=False)
    if said := data.get("credentials"):
        out().print(f"  credentials: {', '.join(f'{name} {value}' for name, value in said.items())}", markup=False)
    rows = [
        (f"  {name}", check["verdict"], "; ".join(check["evidence"]) or _numbers(check))
        for name, check in data["checks"].items()
        if check["verdict"]
    ]
    if rows:
        print_table(("  check", "verdict", "evidence"), rows)
    if idle := [name for name, check in data["checks"].items() if not check["verdict"]]:
        out().print(f"  nothing to measure: {', '.join(idle)}", markup=False)


def _numbers(check: dict[str, Any]) -> str:
    if check.get("reads"):
        return "read: " + " / ".join(w["text"] for w in check["reads"][0]["words"])
    return ", ".join(f"{name} {value:g}" for name, value in check["numbers"].items())
