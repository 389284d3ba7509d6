"""What commands print: tables for people, JSON for programs, one line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from schemas.errors import BadConfig

T = TypeVar("T")

EXIT_FINDING: Final = 1
"""The command worked, and what it looked at is not as it should be."""
EXIT_WRONG_USE: Final = 2
MAX_WIDTH: Final = 1000
"""Columns of a table that goes into a file or another program."""

StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="State folder of the stack (default: PRESSCHECK_STATE_DIR)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def out() -> Console:
    """The console for facts: standard output, plain where it is no terminal."""
    return Console(file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty())


def err() -> Console:
    """The console for progress and errors: standard error."""
    return Console(file=sys.stderr, highlight=False)


def print_json(data: Any) -> None:
    """One JSON document on standard output, indented for the eye that looks anyway."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> Table:
    """A table; columns whose name ends in a unit or a count are aligned right by a leading `>`.

    Cells may hold what a client wrote or a reader read: brackets in them are no markup.
    """
    made = Table(title=title and escape(title), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for c in columns:
        made.add_column(c.removeprefix(">"), justify="right" if c.startswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if v is None else str(v)) for v in row))
    return made


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """The same on standard output; where that is no terminal, as wide as it needs to be, so that no id is broken."""
    console, made = out(), table(columns, rows, title=title)
    if not console.is_terminal:
        needs = Measurement.get(console, console.options.update(max_width=MAX_WIDTH), made).maximum
        console.width = max(console.width, needs)
    console.print(made)


def writable(*paths: Path | None) -> None:
    """Look whether files can be written there, before the work that makes them. Raises BadConfig."""
    for path in paths:
        if path is not None and path.is_dir():
            raise BadConfig(f"{path} is a folder", mend="name a file in it")
        if path is not None and not path.absolute().parent.is_dir():
            raise BadConfig(f"the folder of {path} is not there", mend="make it first, or name another file")


def progress(items: Iterable[T], total: int | None, label: str) -> Iterator[T]:
    """The items, with a line on standard error that counts them and says how long the rest takes.

    Only where there is more than one and someone to see it.
    """
    console = err()
    if total == 1 or not console.is_terminal:
        yield from items
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        for item in items:
            yield item
            bar.advance(task)
