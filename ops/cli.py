"""The command `presscheck`: commands are registered here and live in `ops/commands/`."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="presscheck",
    no_args_is_help=True,
    help="Prompt events in, checked images out.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """Prompt events in, checked images out."""


def main() -> None:
    """Entry point: runs a command and turns the errors of the tree into one clear line and exit status."""
    app()
