"""`presscheck bench …`: measurements that anyone can repeat on their machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ops.console import EXIT_FINDING, JsonOption, out, print_json, print_table

app = typer.Typer(add_completion=False, help="Measure on this machine.", no_args_is_help=True)


@app.command("stack")
def stack(
    rest_s: Annotated[float, typer.Option("--rest", help="Seconds at rest before memory is measured.")] = 10.0,
    as_json: JsonOption = False,
) -> None:
    """How long `up` takes until ready, and the resident memory at rest, in a state folder of its own."""
    from ops.bench.stack import LIMIT_MIB, LIMIT_READY_S, measure

    seen = measure(rest_s)
    if as_json:
        print_json(asdict(seen))
    else:
        print_table(
            ("what", ">measured", ">at most"),
            [
                ("ready, first start, s", f"{seen.first_ready_s:.1f}", LIMIT_READY_S),
                ("ready, second start, s", f"{seen.second_ready_s:.1f}", LIMIT_READY_S),
                ("resident at rest, MiB", f"{seen.rss_mib:.0f}", LIMIT_MIB),
            ],
            title=seen.machine,
        )
        print_table(("process", ">MiB"), [(name, f"{mib:.0f}") for name, mib in seen.processes.items()])
        out().print("Memory is RSS, summed: pages that processes share count for each of them.")
    if not seen.within_limits:
        raise typer.Exit(EXIT_FINDING)
