"""`presscheck topics`: the catalogue, and how the broker's topics compare."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from broker import settings as settings_module
from ops.console import EXIT_FINDING, JsonOption, StateOption, out, print_json, print_table


def topics(
    state: StateOption = None,
    check: Annotated[bool, typer.Option("--check", help="Compare with the broker; exit 1 where they differ.")] = False,
    create: Annotated[bool, typer.Option("--create", help="Create what is missing; change nothing else.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the topics with their records, partitions and retention, who writes and who reads them."""
    from broker.admin import check_topics, ensure_topics
    from ops.rulesets.publish import read_config
    from ops.stack.running import running_stack
    from schemas.catalogue import topics_for

    settings = settings_module.load(state)
    engines = tuple(read_config(settings.config_dir).engines)
    if not check and not create:
        rows = topics_for(engines)
        if as_json:
            print_json([asdict(t) for t in rows])
            return
        print_table(
            ("topic", "records", ">partitions", ">hours kept", "compacted", "written by", "read by"),
            [
                (
                    t.name,
                    ", ".join(t.records),
                    t.partitions,
                    "for good" if t.retention_hours < 0 else t.retention_hours,
                    "yes" if t.compacted else "",
                    ", ".join(t.written_by),
                    ", ".join(t.read_by),
                )
                for t in rows
            ],
        )
        return
    settings = running_stack(state, database=False)
    created: tuple[str, ...] = ()
    if create:
        report = ensure_topics(settings, engines)
        created, differences = report.created, report.differences
    else:
        differences = check_topics(settings, engines)
    if as_json:
        print_json({"created": created, "differences": [asdict(d) for d in differences]})
    else:
        for name in created:
            out().print(f"created {name}")
        if differences:
            print_table(
                ("topic", "what", "is", "catalogue says"), [(d.topic, d.what, d.is_now, d.wanted) for d in differences]
            )
        else:
            out().print("every topic is as the catalogue says")
    if differences:
        raise typer.Exit(EXIT_FINDING)
