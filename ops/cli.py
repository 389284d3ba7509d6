"""The command `presscheck`: commands are registered here and live in `ops/commands/`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from ops.commands import bench, doctor, inspect, stack, topics
from ops.console import EXIT_FINDING, EXIT_WRONG_USE, err
from schemas.errors import BadConfig, Poison, PresscheckError

app = typer.Typer(
    name="presscheck",
    no_args_is_help=True,
    help="Prompt events in, checked images out.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if wanted:
        typer.echo(f"presscheck {version('presscheck')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    _: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)] = False,
) -> None:
    """Prompt events in, checked images out."""


# One line a command, in the order in which --help shows them.
app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.status)
app.command()(stack.run)
app.command()(inspect.inspect)
app.command()(topics.topics)
app.command()(doctor.doctor)
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Entry point: runs a command and turns the errors of the tree into one clear line and exit status.

    Wrong input and wrong settings end in status 2, everything else of the tree in 1. An error outside the tree is a
    defect of ours and keeps its trace.
    """
    try:
        app()
    except PresscheckError as e:
        err().print(f"presscheck: {e}", markup=False, soft_wrap=True)
        sys.exit(EXIT_WRONG_USE if isinstance(e, BadConfig | Poison) else EXIT_FINDING)
