"""A comparison in words and pictures: for the people who run the system, or for others who see nothing else of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ops.pages import page, preview
from ops.sharing.comparison import NEWEST, Comparison, Row, Run, Show
from rules.comparison import Change, Compared, Ending, Summary
from schemas.errors import Poison
from store.artifacts import ArtifactStore

PREVIEW_PX: Final = 560
BAR: Final = 1000
METHOD: Final = (
    "Each job is compared with itself, by the verdict of validation: accepted is better than for review, and that"
    " better than rejected. p is how often chance alone would part the pairs that differ so unevenly (exact McNemar or"
    " sign test, two-sided); pairs that came out the same say nothing. The p of the measures is raised for asking five"
    " times (Holm). Two ΔE00 less than 1 apart, and times within 5%, count as the same."
)
ENDINGS: Final[Mapping[Ending | None, str]] = {
    Ending.ACCEPT: "accepted",
    Ending.REVIEW: "for review",
    Ending.REJECT: "rejected",
    Ending.REFUSED: "prompt refused",
    None: "not judged yet",
}
CHANGES: Final[Mapping[Change | None, str]] = {
    Change.BETTER: "better",
    Change.WORSE: "worse",
    Change.SAME: "the same",
    None: "not compared yet",
}
MEASURE_NAMES: Final[Mapping[str, str]] = {
    "text_score": "Text score",
    "delta_e00": "ΔE00",
    "cost_usd": "Cost",
    "engine_ms": "Engine time",
    "end_to_end_ms": "End to end",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How much is told. `modes` are titles of failure modes.

    `inside`: ids of jobs, replays and rulesets, reasons, cost and time. Else runs and jobs are only numbered, and
    evidence is left out, for it may name other jobs.
    """

    modes: Mapping[str, str]
    inside: bool

    @property
    def measures(self) -> Sequence[str]:
        """What is told of a run: what it cost in money and time is nobody else's business."""
        return [n for n in MEASURE_NAMES if self.inside or n in {"text_score", "delta_e00"}]

    def run(self, run: Run | None, number: int) -> str:
        """Name of a run: number 0 is the original."""
        if number == 0:
            return "Original"
        return f"Replay {run.replay_id}" if self.inside and run is not None else f"Replay {number}"

    def job(self, row: Row, number: int) -> str:
        """Name of a job."""
        return f"job {row.job_id}" if self.inside else f"No. {number}"

    def summary(self, replay_id: str, number: int) -> str:
        """Name of a summary."""
        if replay_id == NEWEST:
            return "Newest replay of each job, against its original run"
        return f"Replay {replay_id if self.inside else number}, against the original runs"


def number(name: str, value: float | None) -> str:
    """A measure as people read it; a dash where it was not taken."""
    if value is None:
        return "–"
    if name == "text_score":
        return f"{value:.1%}"
    if name == "cost_usd":
        return f"${value:.4f}" if 0 < value < 0.01 else f"${value:.2f}"
    return f"{value / 1000:.2f} s" if name.endswith("_ms") else f"{value:.2f}"


def p_value(value: float) -> str:
    """A p-value as people read it."""
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.1 else f"{value:.2f}"


def sentence(found: Summary) -> str:
    """What the verdicts say, in a sentence."""
    signs = found.verdict
    if not signs.pairs:
        return "No pair has been judged on both sides yet."
    accepted = f"Accepted: {found.accepted_before} of {signs.pairs} before, {found.accepted_after} after."
    differ = signs.better + signs.worse
    if not differ:
        return f"{accepted} No verdict changed."
    share = f"Of the {differ} that changed, {signs.better} {'is' if signs.better == 1 else 'are'} better"
    interval = f"95% interval {signs.better_low:.0%} to {signs.better_high:.0%}"
    return f"{accepted} {share} ({interval}); exact p = {p_value(signs.p_value)}".replace("= <", "<") + "."


def facts(run: Run, names: Names) -> Iterator[tuple[str, str]]:
    """The numbers of a run, named."""
    engine = run.engine or "–"
    yield "Engine", f"{engine}, by the simulator" if run.backend == "simulator" and engine != "simulator" else engine
    for name in names.measures:
        yield MEASURE_NAMES[name], number(name, getattr(run.side, name))
    if names.inside:
        yield "Attempts", str(run.attempts)
    if run.defects:
        yield "Defects", "; ".join(names.modes.get(d, d.replace("-", " ")) for d in run.defects)
    if names.inside and run.ruleset_id is not None:
        yield "Ruleset", run.ruleset_id[:12]
    if names.inside and run.reasons:
        yield "Reasons", "; ".join(run.reasons)
    if not names.inside and run.asset_sha256 is not None:
        yield "SHA-256", run.asset_sha256


def picture(store: ArtifactStore, run: Run) -> bytes | None:
    """The picture of a run; None where there is none. Raises Transient, Fatal as the store does."""
    if run.asset_sha256 is None:
        return None
    try:
        return store.get(run.asset_sha256)
    except Poison:
        return b""


def missing(run: Run, data: bytes | None) -> str:
    """Why there is no picture to show."""
    if data is not None:
        return "The picture is gone from the store, or its bytes hold none."
    if run.failure_kind is not None:
        return f"Nothing was rendered: {run.failure_kind.replace('_', ' ')}."
    return "Nothing was rendered yet." if run.ending is None else "Nothing was rendered."


def html(comparison: Comparison, store: ArtifactStore, names: Names, *, title: str, subtitle: str, foot: str) -> str:
    """The page that stands alone; its pictures are JPEG previews of at most 560 px."""
    shown = [_row(row, n, store, names) for n, row in enumerate(comparison.rows, 1)]
    return page(
        "compare.html.j2",
        title=title,
        subtitle=subtitle,
        summaries=[
            _summary(names, names.summary(replay, n), found)
            for n, (replay, found) in enumerate(comparison.summaries.items(), 1)
        ],
        method=METHOD,
        heading=heading(comparison),
        rows=shown,
        foot=foot,
    )


def heading(comparison: Comparison) -> str:
    """Which jobs the page shows."""
    first = (comparison.page - 1) * comparison.limit
    which = "" if comparison.show is Show.ALL else f", {comparison.show.value} only"
    if not comparison.rows:
        return f"Jobs{which}"
    order = "; what came out worse stands first" if comparison.show is Show.ALL and comparison.jobs > 1 else ""
    last = first + len(comparison.rows)
    numbers = f"Job {last}" if last == first + 1 else f"Jobs {first + 1} to {last}"
    return f"{numbers} of {comparison.matching}{which}{order}"


def runs_of(row: Row) -> Sequence[tuple[int, Run]]:
    """The runs of a job, numbered: 0 is the original."""
    own = () if row.original is None else ((0, row.original),)
    return (*own, *enumerate(row.replays, 1))


def _row(row: Row, n: int, store: ArtifactStore, names: Names) -> dict[str, Any]:
    return {
        "name": names.job(row, n),
        "prompt": row.prompt.strip() or "(empty prompt)",
        "change": "waiting" if row.change is None else row.change.value,
        "said": CHANGES[row.change],
        "runs": [_run(run, number, row, store, names) for number, run in runs_of(row)],
    }


def _run(run: Run, number: int, row: Row, store: ArtifactStore, names: Names) -> dict[str, Any]:
    data = picture(store, run)
    name = names.run(run, number)
    return {
        "name": name,
        "verdict": "even" if run.ending is None else run.ending.value,
        "said": ENDINGS[run.ending],
        "image": preview(data, PREVIEW_PX),
        "alt": f"{name}, {ENDINGS[run.ending]}: {row.prompt.strip()[:300]}",
        "missing": missing(run, data),
        "facts": list(facts(run, names)),
    }


def _summary(names: Names, name: str, found: Summary) -> dict[str, Any]:
    signs = found.verdict
    better, worse = (round(BAR * n / max(signs.pairs, 1)) for n in (signs.better, signs.worse))
    return {
        "name": name,
        "better": signs.better,
        "worse": signs.worse,
        "same": signs.same,
        "pairs": signs.pairs,
        "waiting": found.waiting,
        "bar": {"better": better, "worse": worse, "same": BAR - better - worse},
        "sentence": sentence(found),
        "measures": [_measure(m) for m in found.measures if m.signs.pairs and m.name in names.measures],
    }


def _measure(found: Compared) -> dict[str, Any]:
    return {
        "name": MEASURE_NAMES[found.name],
        "before": number(found.name, found.mean_before),
        "after": number(found.name, found.mean_after),
        "better": found.signs.better,
        "worse": found.signs.worse,
        "same": found.signs.same,
        "p": p_value(found.signs.p_value),
    }
