"""`presscheck compare`: jobs and their replays side by side, and whether the replays were better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from audit.migrate import connect
from audit.statements import statement
from ops.console import JsonOption, StateOption, out, print_json, print_table, progress, writable
from ops.rulesets.publish import read_config
from ops.sharing.comparison import MAX_LIMIT, Comparison, Show, compare, rows, targets_of
from ops.sharing.comparison_view import CHANGES, ENDINGS, METHOD, Names, number, p_value, runs_of, sentence
from ops.stack.running import running_stack

PROMPT: Final = 60
"""Characters of a prompt, to tell jobs apart by."""
OTHERS: Final = 60
"""Columns of a terminal that the rest of the line takes."""


def compare_command(
    targets: Annotated[list[str], typer.Argument(metavar="REPLAY_OR_JOB…", help="Ids of replays, of jobs, or both.")],
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="OUT.html", help="Write a page with the pictures; it stands alone."),
    ] = None,
    png: Annotated[Path | None, typer.Option("--png", metavar="OUT.png", help="Write the same as one picture.")] = None,
    show: Annotated[Show, typer.Option("--show", help="Which jobs are shown; the figures are of all.")] = Show.ALL,
    limit: Annotated[int, typer.Option("--limit", min=1, max=MAX_LIMIT, help="Jobs on a page.")] = 24,
    page: Annotated[int, typer.Option("--page", min=1, help="Which page.")] = 1,
    first: Annotated[
        bool, typer.Option("--first", help="Compare first attempts, and not what came of repairs.")
    ] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare replays with the original runs of their jobs: verdict, text, colour, cost and time.

    A replay names all its jobs, a job all its replays; both together mean
    these jobs in these replays. What came out worse stands first. The twins
    of a paired roll-out (replay ROLLOUT.pair) are compared with first attempts.

    Example: presscheck compare spring-recall-2 --sheet sheet.html
    """
    settings = running_stack(state, kafka=False)
    writable(sheet, png)
    with connect(settings.database_url.get_secret_value()) as conn:
        conn.execute(statement("one_snapshot"))
        chosen = targets_of(conn, targets)
        found = compare(
            progress(rows(conn, chosen, first=first), None, "jobs compared"), chosen, page=page, limit=limit, show=show
        )
    if sheet is not None or png is not None:
        from ops.sharing import comparison_png as compare_png
        from ops.sharing import comparison_view as compare_view
        from store.artifacts import open_store

        store = open_store(settings)
        names = Names(
            modes={n: m.title for n, m in read_config(settings.config_dir).failure_modes.items()}, inside=True
        )
        title, subtitle = f"{', '.join(targets[:3])}{' and more' if len(targets) > 3 else ''}", _subtitle(found)
        if sheet is not None:
            foot = "Previews; the pictures themselves are in the store."
            made = compare_view.html(found, store, names, title=title, subtitle=subtitle, foot=foot)
            sheet.write_text(made, encoding="utf-8")
        if png is not None:
            png.write_bytes(compare_png.png(found, store, names, title=title, subtitle=subtitle))
    if as_json:
        print_json(facts(found))
    else:
        _print(found, sheet, png)


def facts(found: Comparison) -> dict[str, Any]:
    """The comparison as JSON: every job of the page with its runs, and the summaries over all jobs."""
    return {
        "targets": found.targets,
        "show": found.show,
        "page": found.page,
        "limit": found.limit,
        "next_page": found.next_page,
        "jobs": found.jobs,
        "matching": found.matching,
        "summaries": [{"replay_id": replay or None, **asdict(s)} for replay, s in found.summaries.items()],
        "method": METHOD,
        "rows": [asdict(row) for row in found.rows],
    }


def _subtitle(found: Comparison) -> str:
    return f"{found.jobs} job{'' if found.jobs == 1 else 's'}: each replay next to the original run"


def _print(found: Comparison, *written: Path | None) -> None:
    if found.rows:
        columns = (">no", "run", "engine", "verdict", ">text", ">ΔE00", ">cost", ">engine", ">end to end", "defects")
        print_table(columns, _lines(found))
        out().print()
        print_table((">no", "job", "came out", "prompt"), _jobs(found))
    else:
        out().print("no job to show")
    for replay, summary in found.summaries.items():
        signs = summary.verdict
        if not signs.pairs and not summary.waiting and not any(row.replays for row in found.rows):
            out().print("\nnothing to compare with: `presscheck replay` has jobs rendered again")
            continue
        waiting = f", {summary.waiting} not judged yet" if summary.waiting else ""
        said = f"{signs.better} better, {signs.worse} worse, {signs.same} the same{waiting}"
        out().print(f"\n{replay or 'newest replay of each job'}: {said}\n{sentence(summary)}", markup=False)
        measured = [m for m in summary.measures if m.signs.pairs]
        if measured:
            print_table(
                ("measure", ">original", ">replay", ">better", ">worse", ">same", ">p (Holm)"),
                [
                    (
                        m.name, number(m.name, m.mean_before), number(m.name, m.mean_after), m.signs.better,
                        m.signs.worse, m.signs.same, p_value(m.signs.p_value),
                    )
                    for m in measured
                ],
            )  # fmt: skip
    for path in written:
        if path is not None:
            out().print(f"written: {path}", markup=False)
    if found.next_page is not None:
        out().print(f"{len(found.rows)} of {found.matching} jobs; go on with --page {found.next_page}")


def _jobs(found: Comparison) -> Iterator[tuple[object, ...]]:
    room = min(PROMPT, max(20, out().width - OTHERS)) if out().is_terminal else PROMPT
    for no, row in enumerate(found.rows, 1):
        prompt = " ".join(row.prompt.split())
        yield no, row.job_id, CHANGES[row.change], prompt if len(prompt) <= room else f"{prompt[: room - 1]}…"


def _lines(found: Comparison) -> Iterator[tuple[object, ...]]:
    for no, row in enumerate(found.rows, 1):
        for n, run in runs_of(row):
            side = run.side
            numbers = [number(name, getattr(side, name)) for name in ("text_score", "delta_e00", "cost_usd")]
            times = [number(name, getattr(side, name)) for name in ("engine_ms", "end_to_end_ms")]
            head = no if run is (row.original or row.replays[0]) else ""
            name = run.replay_id if n else "original"
            yield head, name, run.engine, ENDINGS[run.ending], *numbers, *times, ", ".join(run.defects)
