"""The report of a window as one page with plots that stands alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from audit.windows import Operation
from ops.pages import page as made_page
from ops.reports import plots as report_plots
from ops.reports.plots import FEWEST, MOST_OPERATIONS
from ops.reports.window import (
    ARTIFACTS,
    COST,
    ENGINE_HOUR,
    HANDS,
    WHOLE,
    Line,
    Side,
    group_columns,
    shown_time,
    time_columns,
    whole_lines,
)

HEADLINES: Final[Mapping[str, str]] = {
    ARTIFACTS: "Artifact rate",
    WHOLE: "End to end, p50 / p95",
    ENGINE_HOUR: "Images per engine-hour",
    COST: "Cost per accepted image",
    HANDS: "Manual-touch hours a week",
}
NOTE: Final = (
    "Artifact rate: rendered images whose last verdict names a certain defect; its interval is Wilson's, at 95 %. Twins"
    " of paired jobs are left out. Manual-touch hours are what designers reported, and the minutes set for each review."
    " End to end is from submission, or from the request of a replay, to the first end; it counts for the engine,"
    " ruleset, lane and tags of the first attempt. Each stage's time holds the wait for it."
)


def page(now: Side, before: Side | None) -> str:
    """The whole page."""
    lines = whole_lines(now, before)
    return made_page(
        "report.html.j2",
        title="Presscheck report",
        window=_window(now),
        against="" if before is None else _window(before),
        empty=not now.groups,
        cards=[_card(x) for x in lines if x.name in HEADLINES],
        both=before is not None,
        lines=lines,
        # Drawn by us, with all that others wrote in it escaped.
        course=Markup(report_plots.course(now, before)),  # noqa: S704
        groups=Markup(report_plots.groups(now, before)),  # noqa: S704
        fewest=FEWEST,
        table=_table(*group_columns(now, before)),
        times=_table(*time_columns(now, before)),
        operations=_table(("when", "what", "which", "step", "who", "why"), _operations(now.operations)),
        more=max(0, len(now.operations) - MOST_OPERATIONS),
        note=NOTE,
    )


def _window(side: Side) -> str:
    return f"{shown_time(side.window.from_ms)} to {shown_time(side.window.to_ms)}"


def _card(line: Line) -> dict[str, str]:
    value, _, detail = line.now.partition(" (")
    return {
        "name": HEADLINES[line.name],
        "value": value,
        "detail": f"95 %: {detail.rstrip(')')}" if detail else "",
        "before": "" if line.before is None else line.before,
    }


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Cells with their class: numbers are aligned right, words left."""
    css = ["" if column.startswith(">") else "words" for column in head]
    return {
        "head": [(c, column.removeprefix(">")) for c, column in zip(css, head, strict=True)],
        "rows": [list(zip(css, cells, strict=True)) for cells in rows],
    }


def _operations(found: Sequence[Operation]) -> Sequence[Sequence[str]]:
    return [
        (shown_time(o.at_ms), o.kind, o.subject if len(o.subject) < 40 else o.subject[:12], o.step, o.who, o.why)
        for o in found[:MOST_OPERATIONS]
    ]
