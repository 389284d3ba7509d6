"""`presscheck report`: what the pipeline made, how soon, at what cost, and what was left to do by hand."""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import psycopg
import typer
from rich.markup import escape

from audit import labels, queries
from audit.migrate import connect
from audit.queries import EngineFigures, Scope
from ops.console import EXIT_WRONG_USE, JsonOption, StateOption, err, out, print_json, print_table, writable
from ops.labels import agreement
from ops.stack.running import running_stack
from schemas.errors import BadConfig

MS_PER_HOUR: Final = 3_600_000.0
SPANS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def since_ms(text: str, now_ms: int) -> int:
    """A time as milliseconds since 1970 UTC: a span back from now (90m, 24h, 7d), or ISO 8601 (UTC unless it says).

    Raises ValueError where it is neither.
    """
    span = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if span is not None:
        return now_ms - int(span[1]) * SPANS_MS[span[2]]
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _engine(e: EngineFigures) -> dict[str, Any]:
    return {
        "engine": e.engine,
        "backends": list(e.backends),
        "attempts": e.attempts,
        "rendered": e.rendered,
        "failed": e.failed,
        "accepted": e.accepted,
        "repaired": e.repaired,
        "artifact_rate": _share(e.damaged, e.rendered),
        "delivered_artifact_rate": _share(e.touched, e.accepted),
        "engine_hours": e.engine_ms / MS_PER_HOUR,
        "gpu_hours": e.gpu_ms / MS_PER_HOUR,
        "images_per_engine_hour": _share(e.rendered, e.engine_ms / MS_PER_HOUR),
        "accepted_per_engine_hour": _share(e.accepted, e.engine_ms / MS_PER_HOUR),
        "mean_text_score": e.text_score,
        "cost_usd": e.cost_usd,
        "cost_per_accepted_usd": _share(e.cost_usd, e.accepted),
    }


def facts(conn: psycopg.Connection, scope: Scope, review_minutes: float) -> dict[str, Any]:
    """Every figure of the report; null where there is nothing to divide by.

    artifact_rate: rendered attempts in which a verdict names a certain defect. delivered_artifact_rate: accepted assets
    on which a designer reported hand work. manual_hours: minutes reported, and review_minutes for each review.
    agreement: how far verdicts and people agree, see ops/labels/agreement.py; sampling: what share people looked at.
    """
    figures = queries.engines(conn, scope)
    hands, reviews = queries.touch_ups(conn, scope), queries.reviewed(conn, scope)
    latency, agreed = queries.latency(conn, scope), labels.agreement(conn, scope)
    return {
        "jobs": asdict(queries.progress(conn, scope)),
        "states": {state.value: n for state, n in queries.counts(conn, scope).items()},
        "latency": {"jobs": latency.jobs, "p50_ms": latency.p50_ms, "p95_ms": latency.p95_ms},
        "total": _engine(figures[0]),
        "engines": [_engine(e) for e in figures[1:]],
        "manual": {
            "touch_ups": hands.reports,
            "touch_up_minutes": hands.minutes,
            "reviews": reviews,
            "minutes_per_review": review_minutes,
            "hours": (hands.minutes + reviews * review_minutes) / 60,
        },
        "failure_modes": [asdict(m) for m in queries.defect_modes(conn, scope)],
        "agreement": agreement.facts(agreed),
        "agreement_method": agreement.METHOD,
        "sampling": [{"stratum": k, **asdict(v)} for k, v in agreement.sampling(agreed).items()],
        "measurements": [asdict(m) for m in queries.measured(conn, scope)],
        "dead_letters": [asdict(d) for d in queries.dead_letters(conn, scope)],
    }


def report(
    *,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Jobs submitted since: 90m, 24h, 7d, or a time such as 2026-05-01T09:00."),
    ] = None,
    campaign: Annotated[str | None, typer.Option("--campaign", help="Only jobs of this campaign.")] = None,
    review_minutes: Annotated[
        float, typer.Option("--review-minutes", min=0, help="Minutes that one review is taken to cost.")
    ] = 0.0,
    window: Annotated[
        str | None, typer.Option("--window", help="What happened in a window: 7d, or 2026-05-01..2026-05-08.")
    ] = None,
    compare_to: Annotated[
        str | None, typer.Option("--compare-to", help="With --window: 7d-before, or 2026-04-24..2026-05-01.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="With --window: a page with plots.")
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Artifact rate, latency, images per engine-hour, text score, manual-touch hours and cost, by engine too.

    And how far the pipeline agrees with people, by defect, where labels were given.

    With --window what happened in a span of time instead, by ruleset, lane and tag too, and next to another span.

    Example: presscheck report --window 7d --compare-to 7d-before --html report.html
    """
    if window is not None:
        if since is not None or campaign is not None:
            raise BadConfig("--since and --campaign do not go with --window", mend="leave them out")
        _report_window(window, compare_to, html, review_minutes, state, as_json=as_json)
        return
    if compare_to is not None or html is not None:
        raise BadConfig("--compare-to and --html need --window", mend="say which window, as --window 7d")
    try:
        start_ms = None if since is None else since_ms(since, time.time_ns() // 1_000_000)
    except ValueError:
        err().print(f"--since {since!r} is neither a span such as 24h nor an ISO 8601 time", style="red", markup=False)
        raise typer.Exit(EXIT_WRONG_USE) from None
    with connect(running_stack(state, kafka=False).database_url.get_secret_value()) as conn:
        found = facts(conn, Scope(campaign=campaign, since_ms=start_ms), review_minutes)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _report_window(
    window: str, compare_to: str | None, html: Path | None, review_minutes: float, state: Path | None, *, as_json: bool
) -> None:
    from ops.reports.html import page
    from ops.reports.window import compared_to, group_columns, look, whole_lines, window_of

    wanted = window_of(window, time.time_ns() // 1_000_000)
    other = None if compare_to is None else compared_to(compare_to, wanted)
    writable(html)
    with connect(running_stack(state, kafka=False).database_url.get_secret_value()) as conn:
        now = look(conn, wanted, review_minutes=review_minutes)
        before = None if other is None else look(conn, other, review_minutes=review_minutes)
    if html is not None:
        html.write_text(page(now, before), encoding="utf-8")
    if as_json:
        print_json({"now": now.facts(), "before": None if before is None else before.facts()})
        return
    lines = whole_lines(now, before)
    if before is None:
        print_table(("figure", ">now"), [(x.name, x.now) for x in lines])
    else:
        print_table(("figure", ">before", ">now"), [(x.name, x.before, x.now) for x in lines])
    if now.groups:
        out().print()
        print_table(*group_columns(now, before))
    else:
        out().print("\nnothing was rendered in this window")
    if html is not None:
        out().print(f"\nwritten: {html}", markup=False)


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else format(value, form) + unit


def _print(found: dict[str, Any]) -> None:
    jobs, total, latency, manual = found["jobs"], found["total"], found["latency"], found["manual"]
    seconds = {k: None if latency[k] is None else latency[k] / 1000 for k in ("p50_ms", "p95_ms")}
    print_table(
        ("figure", ">value", "of"),
        [
            ("Jobs", jobs["jobs"], f"{jobs['in_flight']} in flight"),
            ("Accepted", jobs["accepted"], f"{jobs['repaired']} of them repaired"),
            ("In review, refused, held", f"{jobs['in_review']}, {jobs['refused']}, {jobs['held']}", ""),
            ("Artifact rate", _number(total["artifact_rate"], ".1%"), f"of {total['rendered']} rendered images"),
            (
                "Delivered artifact rate",
                _number(total["delivered_artifact_rate"], ".1%"),
                f"of {total['accepted']} accepted assets, by the touch-ups reported",
            ),
            ("Latency p50", _number(seconds["p50_ms"], ".3f", " s"), "prompt to the first terminal event"),
            ("Latency p95", _number(seconds["p95_ms"], ".3f", " s"), f"{latency['jobs']} jobs at an end"),
            (
                "Images per engine-hour",
                _number(total["images_per_engine_hour"], ",.0f"),
                f"{total['engine_hours']:.4f} engine-hours, {total['gpu_hours']:.4f} of them on a GPU",
            ),
            ("Mean text score", _number(total["mean_text_score"], ".3f"), "accepted assets that wanted text"),
            (
                "Manual-touch hours",
                _number(manual["hours"], ".2f"),
                f"{manual['touch_ups']} touch-ups, {manual['reviews']} reviews at {manual['minutes_per_review']:g} min",
            ),
            (
                "Cost per accepted image",
                _number(total["cost_per_accepted_usd"], ".4f", " $"),
                f"{total['cost_usd']:.2f} $ in all",
            ),
        ],
    )
    out().print()
    print_table(
        (
            "engine", "backend", ">attempts", ">failed", ">accepted", ">artifacts", ">images/h", ">text", ">$/accepted",
        ),
        [
            (
                e["engine"], ", ".join(e["backends"]), e["attempts"], e["failed"], e["accepted"],
                _number(e["artifact_rate"], ".1%"), _number(e["images_per_engine_hour"], ",.0f"),
                _number(e["mean_text_score"], ".3f"), _number(e["cost_per_accepted_usd"], ".4f"),
            )
            for e in found["engines"]
        ],
    )  # fmt: skip
    _print_agreement(found)
    for title, rows in (
        ("failure modes found", [f"{m['mode']} {m['found']} ({m['certain']} certain)" for m in found["failure_modes"]]),
        ("dead letters", [f"{d['stage']}: {d['kind']} {d['records']}" for d in found["dead_letters"]]),
    ):
        if rows:
            out().print(f"\n[bold]{title}[/bold]\n  " + "\n  ".join(escape(r) for r in rows))


def _print_agreement(found: dict[str, Any]) -> None:
    if not found["agreement"]:
        return
    out().print("\n[bold]agreement with people[/bold]")
    print_table(
        ("defect", "of", ">both", ">found only", ">seen only", ">neither", ">precision", ">recall", ">kappa"),
        agreement.cells(found["agreement"]),
    )
    out().print(agreement.METHOD)
    for s in found["sampling"]:
        out().print(
            f"{s['stratum']}: {s['judged']} judged, {s['drawn']} of them for a person, who looked at {s['looked_at']}"
        )
    blind = sorted({name for f in found["agreement"] for name in f["unseen"]})
    if blind:
        out().print(f"nobody looked at any that was {' or '.join(blind)}: so nothing is said of the stream")
