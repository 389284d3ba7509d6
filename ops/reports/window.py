"""A window of time against another: the mission's figures, over all and by engine, ruleset, lane and tag."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import psycopg

from audit import windows
from audit.windows import Group, Operation, Part, StageTime, Window
from ops.bench.intervals import wilson
from schemas.errors import BadConfig

MS_PER_HOUR: Final = 3_600_000.0
WEEK_MS: Final = 7 * 24 * MS_PER_HOUR
KEY_COLUMNS: Final = 3
NOTHING: Final = frozenset({"–", "0.00"})
"""What a cell shows that says nothing."""
PARTS: Final = 28
"""Points of the course: four a day for a week."""
SPAN: Final = re.compile(r"(\d{1,6})([smhd])")
UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
BEFORE: Final = "-before"
ALL: Final = "all"
"""The kind of the one group that holds every attempt."""
OVER_ALL: Final = (ALL, "")
Times: TypeAlias = Mapping[tuple[str, str], Mapping[str, StageTime]]
NO_TIMES: Final[Mapping[str, StageTime]] = {}
STAGES: Final = ("render", "inspect", "validate")
END_TO_END: Final = "whole"
ARTIFACTS: Final = "Artifact rate (95 %)"
ENGINE_HOUR: Final = "Images per engine-hour"
WHOLE: Final = "p50 / p95, end to end"
HANDS: Final = "Manual-touch hours a week"
COST: Final = "Cost per accepted image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One window with all that was asked of it. The first group is all of them; empty where nothing was rendered."""

    window: Window
    groups: tuple[Group, ...]
    stages: tuple[StageTime, ...]
    course: tuple[Part, ...]
    hands: windows.Hands
    operations: tuple[Operation, ...]
    review_minutes: float

    @property
    def manual_hours_per_week(self) -> float:
        """Hand work reported, and the minutes of each review, scaled to a week."""
        return self.hours_per_week(self.hands)

    def hours_per_week(self, of: windows.Hands | Group) -> float:
        """The same of what belongs to a group."""
        hours = (of.touch_minutes + of.reviews * self.review_minutes) / 60
        return hours * WEEK_MS / (self.window.to_ms - self.window.from_ms)

    def times(self) -> Times:
        """By kind and name of a group, and by stage: those that did something."""
        found: defaultdict[tuple[str, str], dict[str, StageTime]] = defaultdict(dict)
        for time in self.stages:
            found[time.kind, time.name][time.stage] = time
        return found

    def facts(self) -> dict[str, Any]:
        """For programs."""
        times = self.times()
        return {
            "from": shown_time(self.window.from_ms),
            "to": shown_time(self.window.to_ms),
            **asdict(self.window),
            "groups": [
                {
                    "kind": g.kind,
                    "name": g.name,
                    **figures(g),
                    "manual_hours_per_week": self.hours_per_week(g),
                    "stages": _facts(times.get((g.kind, g.name), NO_TIMES)),
                }
                for g in self.groups
            ],
            "stages": _facts(times.get(OVER_ALL, NO_TIMES)),
            "manual": {**asdict(self.hands), "hours_per_week": self.manual_hours_per_week},
            "course": [asdict(p) for p in self.course],
            "operations": [asdict(o) for o in self.operations],
        }


def _facts(times: Mapping[str, StageTime]) -> list[dict[str, Any]]:
    return [{"stage": t.stage, "records": t.records, "p50_ms": t.p50_ms, "p95_ms": t.p95_ms} for t in times.values()]


def look(conn: psycopg.Connection, window: Window, *, review_minutes: float) -> Side:
    """Ask everything of one window."""
    return Side(
        window=window,
        groups=windows.groups(conn, window),
        stages=windows.stages(conn, window),
        course=windows.course(conn, window, PARTS),
        hands=windows.hands(conn, window),
        operations=windows.operations(conn, window),
        review_minutes=review_minutes,
    )


def figures(group: Group) -> dict[str, Any]:
    """The figures of a group; None where there is nothing to divide by. Shares with their 95 % Wilson interval."""
    artifacts = wilson(group.damaged, group.rendered)
    known = group.rendered > 0
    return {
        "attempts": group.attempts,
        "rendered": group.rendered,
        "failed": group.failed,
        "accepted": group.accepted,
        "artifact_rate": group.damaged / group.rendered if known else None,
        "artifact_rate_low": artifacts.low if known else None,
        "artifact_rate_high": artifacts.high if known else None,
        "images_per_gpu_hour": _per(group.gpu_images, group.gpu_ms / MS_PER_HOUR),
        "images_per_engine_hour": _per(group.rendered, group.engine_ms / MS_PER_HOUR),
        "text_score": group.text_score,
        "touch_minutes": group.touch_minutes,
        "reviews": group.reviews,
        "cost_usd": group.cost_usd,
        "cost_per_accepted_usd": _per(group.cost_usd, group.accepted),
    }


def _per(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def window_of(text: str, now_ms: int, *, option: str = "--window") -> Window:
    """`7d` up to now, or `2026-05-01..2026-05-08` (UTC). Raises BadConfig."""
    span = SPAN.fullmatch(text)
    if span is not None and int(span[1]) > 0:
        return Window(from_ms=max(0, now_ms - int(span[1]) * UNITS_MS[span[2]]), to_ms=now_ms)
    begin, dots, end = text.partition("..")
    try:
        times = [datetime.fromisoformat(part) for part in (begin, end)] if dots else []
    except ValueError:
        times = []
    at = [int((t if t.tzinfo else t.replace(tzinfo=UTC)).timestamp() * 1000) for t in times]
    if len(at) == 2 and 0 <= at[0] < at[1]:
        return Window(from_ms=at[0], to_ms=at[1])
    raise BadConfig(f"{option}: {text!r} is no window", mend="give 7d, or 2026-05-01..2026-05-08 (UTC)")


def compared_to(text: str, window: Window, *, option: str = "--compare-to") -> Window:
    """`7d-before` is the span just before the window; anything else a window of its own. Raises BadConfig."""
    if not text.endswith(BEFORE):
        return window_of(text, window.from_ms, option=option)
    span = window_of(text.removesuffix(BEFORE), window.from_ms, option=option)
    return Window(from_ms=span.from_ms, to_ms=window.from_ms)


def shown_time(at_ms: int) -> str:
    """A time as people read it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the report: what, its figure before (None without a comparison) and now."""

    name: str
    before: str | None
    now: str


def whole_lines(now: Side, before: Side | None) -> list[Line]:
    """The mission's figures over all."""
    sides = [now] if before is None else [before, now]
    columns = [_whole(side) for side in sides]
    return [Line(k, None if before is None else columns[0].get(k, "–"), v) for k, v in columns[-1].items()]


def _whole(side: Side) -> dict[str, str]:
    found = figures(side.groups[0]) if side.groups else {}
    times = side.times().get(OVER_ALL, NO_TIMES)
    return {
        "Images rendered": str(found.get("rendered", 0)),
        "Accepted": str(found.get("accepted", 0)),
        ARTIFACTS: rate(found),
        "Images per GPU-hour": number(found.get("images_per_gpu_hour"), ",.0f"),
        ENGINE_HOUR: number(found.get("images_per_engine_hour"), ",.0f"),
        **{f"p50 / p95, {s}": quantiles(times.get(s), " s") for s in STAGES},
        WHOLE: quantiles(times.get(END_TO_END), " s"),
        "Text score": number(found.get("text_score"), ".3f"),
        HANDS: f"{side.manual_hours_per_week:.2f}",
        COST: dollars(found.get("cost_per_accepted_usd")),
        "Recalled": str(side.hands.recalls),
    }


def group_columns(now: Side, before: Side | None) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Heads and rows of each engine, lane, ruleset and tag, with its artifact rate before and now.

    A leading `>` aligns a column right. Columns that say nothing are left out: so a terminal has room for the others.
    """
    heads = (
        "by", "name", ">images", ">before", ">artifacts",
        ">p95 s", ">images/h", ">text", ">hands h/week", ">$/accepted",
    )  # fmt: skip
    former: Mapping[tuple[str, str], Group] = {(g.kind, g.name): g for g in before.groups} if before else {}
    times, rows = now.times(), list[Sequence[str]]()
    for group in now.groups:
        if group.kind == ALL:
            continue
        key = (group.kind, group.name)
        found, old, whole = figures(group), former.get(key), times.get(key, NO_TIMES).get(END_TO_END)
        rows.append(
            (
                *_named(group), f"{group.rendered:,}",
                "–" if old is None else rate(figures(old)), rate(found),
                "–" if whole is None else f"{whole.p95_ms / 1000:.2f}",
                number(found["images_per_engine_hour"], ",.0f"), number(found["text_score"], ".3f"),
                f"{now.hours_per_week(group):.2f}", number(found["cost_per_accepted_usd"], ".4f"),
            )
        )  # fmt: skip
    return _telling(heads, rows, KEY_COLUMNS)


def time_columns(now: Side, before: Side | None) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Heads and rows of each engine, lane, ruleset and tag: p50 and p95 of each stage, in seconds, as above."""
    heads = ("by", "name", *(f">{s}" for s in STAGES), ">end to end, before", ">end to end")
    times = now.times()
    former: Times = before.times() if before else {}
    rows: list[Sequence[str]] = []
    for group in now.groups:
        if group.kind == ALL:
            continue
        key = (group.kind, group.name)
        own, whole_before = times.get(key, NO_TIMES), former.get(key, NO_TIMES).get(END_TO_END)
        stages = (*(own.get(s) for s in STAGES), whole_before, own.get(END_TO_END))
        rows.append((*_named(group), *(quantiles(t) for t in stages)))
    return _telling(heads, rows, 2)


def _named(group: Group) -> tuple[str, str]:
    return group.kind, group.name[:12] if group.kind == "ruleset" else group.name


def _telling(
    heads: Sequence[str], rows: Sequence[Sequence[str]], keys: int
) -> tuple[Sequence[str], list[Sequence[str]]]:
    """The first columns, and of the others those in which any row says something."""
    kept = [n for n in range(len(heads)) if n < keys or any(row[n] not in NOTHING for row in rows)]
    return tuple(heads[n] for n in kept), [tuple(row[n] for n in kept) for row in rows]


def quantiles(time: StageTime | None, unit: str = "") -> str:
    """Median and 95th percentile, in seconds."""
    return "–" if time is None else f"{time.p50_ms / 1000:.2f} / {time.p95_ms / 1000:.2f}{unit}"


def rate(found: Mapping[str, Any]) -> str:
    """A share with its interval."""
    if found.get("artifact_rate") is None:
        return "–"
    return f"{found['artifact_rate']:.1%} ({found['artifact_rate_low']:.1%} to {found['artifact_rate_high']:.1%})"


def dollars(value: float | None) -> str:
    """An amount; four digits where it is less than a cent or so."""
    return "–" if value is None else f"${value:.4f}" if value < 1 else f"${value:,.2f}"


def number(value: float | None, form: str, unit: str = "") -> str:
    """A figure, or a dash."""
    return "–" if value is None else format(value, form) + unit
