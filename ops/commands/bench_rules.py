"""`presscheck bench rules|what-if`: how fast a ruleset is taken back, and how fast one is tried on recorded prompts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ops.console import EXIT_FINDING, JsonOption, out, print_json


def rules_command(
    rate: Annotated[float, typer.Option("--rate", min=1, max=1000, help="Jobs a second.")] = 200.0,
    as_json: JsonOption = False,
) -> None:
    """How long former rules still decide after `rules rollback`, under load, in a stack of its own.

    Sanity and validation are the real ones; render and inspect are the real worker loop with nothing to do in it. Takes
    about a minute.
    """
    from ops.bench.rules import measure

    seen = measure(rate)
    if as_json:
        print_json(asdict(seen))
    else:
        out().print(f"{seen.machine}; load average {seen.load_before} before, {seen.load_after} after")
        stages = ", ".join(f"{name} {s:.2f} s" for name, s in seen.by_stage.items())
        out().print(
            f"{seen.rate:g} jobs a second: the last record by the old rules came {seen.last_old_s:.2f} s after the"
            f" command was given ({stages}); the command took {seen.command_s:.2f} s; at most {seen.limit_s:g} s"
        )
        applied = ", ".join(f"{name} {s:.2f} s" for name, s in seen.applied_s.items())
        out().print(
            f"each stage decided by the new rules alone after ({applied}), counted from the activation on its topic;"
            f" at most {seen.applied_limit_s:g} s"
        )
        out().print(
            f"records by the old rules {seen.records[0]}, by the new ones {seen.records[1]}, by others {seen.others};"
            f" jobs lost {seen.lost}, twice {seen.twice}"
        )
    if not seen.within_limits:
        raise typer.Exit(EXIT_FINDING)


def what_if_command(
    prompts: Annotated[int, typer.Option("--prompts", min=1_000, max=10_000_000, help="Prompts to record.")] = 100_000,
    workers: Annotated[int, typer.Option("--workers", min=1, max=8, help="Processes that read.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """How fast recorded prompts are routed by two rulesets, in a broker of its own; no two prompts are the same.

    Takes about a minute with the defaults.
    """
    from ops.bench.what_if import measure

    seen = measure(prompts, workers)
    if as_json:
        rates = {"a_second": seen.a_second, "million_s": seen.million_s, "cpu_ms_each": seen.cpu_ms_each}
        print_json({**asdict(seen), **rates})
    else:
        out().print(f"{seen.machine}; load average {seen.load_before} before, {seen.load_after} after")
        out().print(
            f"{seen.prompts} prompts in {seen.seconds:g} s by {seen.workers} processes: {seen.a_second:g} a second,"
            f" {seen.cpu_s:g} s of processor ({seen.cpu_ms_each:g} ms each), {seen.peak_mib:g} MiB at most"
            f" (the bound is {seen.limit_mib:g}); {seen.changed} would change"
        )
        out().print(f"a million would take {seen.million_s:g} s at this rate; at most {seen.limit_s:g} s")
    if not seen.within_limits:
        raise typer.Exit(EXIT_FINDING)
