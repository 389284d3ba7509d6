"""The command `presscheck`: commands are registered here and live in `ops/commands/`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from ops.console import EXIT_FINDING, EXIT_WRONG_USE, err
from schemas.errors import BadConfig, Poison, PresscheckError

COMMANDS: Final[Mapping[str, str]] = {
    "up": "stack:up",
    "down": "stack:down",
    "status": "stack:status",
    "demo": "demo:demo",
    "submit": "submit:submit",
    "tail": "tail:tail",
    "inspect": "inspect:inspect",
    "engines": "engines:app",
    "report": "report:report",
    "label": "label:label",
    "calibrate": "calibrate:calibrate",
    "compare": "compare:compare_command",
    "share": "share:app",
    "audit": "audit:app",
    "campaign": "campaign:app",
    "hold": "hold:app",
    "recover": "recover:app",
    "recall": "recall:recall",
    "rules": "rules:app",
    "replay": "replay:app",
    "rollout": "rollout:app",
    "topics": "topics:topics",
    "schemas": "schemas:app",
    "run": "stack:run",
    "bench": "bench:app",
    "doctor": "doctor:doctor",
}
"""Module and function (or typer app) of each command, in the order in which --help shows them."""


class Commands(TyperGroup):
    """Imports a command's module when it is called, so that no stage pays for what the others import.

    Contexts and commands are Any: typer keeps their types to itself.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, imported now; ends with the nearest right name where there is none."""
        if cmd_name not in COMMANDS:
            near = get_close_matches(cmd_name, COMMANDS, 1)
            ctx.fail(f"There is no command '{cmd_name}'." + (f" Did you mean '{near[0]}'?" if near else ""))
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(f"ops.commands.{module}"), name)
        if isinstance(found, typer.Typer):
            command = get_group(found)
        else:
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(cmd_name)(found)
            command = get_command(alone)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Commands,
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs a command, by its words or by those of the process, and ends as it says.

    Errors of the tree become one clear line and an exit status.
    Wrong input and wrong settings end in status 2, everything else of the tree in 1. An error outside the tree is a
    defect of ours and keeps its trace.
    """
    try:
        app(arguments)
    except PresscheckError as e:
        err().print(f"presscheck: {e}", markup=False, soft_wrap=True)
        sys.exit(EXIT_WRONG_USE if isinstance(e, BadConfig | Poison) else EXIT_FINDING)
