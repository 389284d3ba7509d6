"""`presscheck doctor`: is this machine fit, and if not, what is the mend."""

from __future__ import annotations

from dataclasses import asdict

import typer

from ops.console import EXIT_FINDING, JsonOption, StateOption, print_json, print_table


def doctor(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Check Python, Java, jars, ports, disk, fonts, engines and settings; exit 1 where something must be mended."""
    from ops.doctor import examine

    findings = examine(state)
    if as_json:
        print_json([asdict(f) for f in findings])
    else:
        print_table(("what", "", "seen", "mend"), [(f.what, f.level, f.seen, f.mend) for f in findings])
    if any(f.level == "bad" for f in findings):
        raise typer.Exit(EXIT_FINDING)
