"""Replays that are killed anywhere, any number of times: each job that was planned is requested once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.replay_plan import Asked, Chooser, Entry, Place, Plan, Span, plan_of
from rules.replay_steps import Progress, Sending, Step
from rules.where import Where, parse_where
from schemas.events import ImageGenerated, Origin, Preset
from schemas.ids import event_id
from tests.unit.rules import samples

RULES = samples.ruleset()
WHERE = "campaign=spring"
JOBS = [samples.job(key=f"replayed-{n}", campaign="spring" if n % 3 else "other") for n in range(6)]
EVENTS = [
    ImageGenerated(
        event_id=event_id(j.job_id, "test"), at_ms=1, request=samples.routed(j), rendering=samples.rendering()
    )
    for j in JOBS
]

Log = list[list[int | None]]
"""For each partition, the jobs of its records by number; None is a record of none."""


@dataclass
class Journal:
    """What the broker keeps: the requests that count, and how far they say that the replay is."""

    progress: Progress
    sent: list[str] = field(default_factory=list[str])
    done: bool = False

    def commit(self, step: Step) -> None:
        """All of a step, or nothing."""
        self.sent += [d.job.job_id for d in step.due]
        self.progress, self.done = step.progress, step.last


def records(log: Log, spans: list[Span]) -> list[Entry]:
    """What a reader gives of these spans. Times do not follow the offsets."""
    return [
        Entry(
            place=Place((7 * offset) % 5, span.partition, offset),
            origin=Origin(topic="t", partition=span.partition, offset=offset),
            event=None if job is None else EVENTS[job],
        )
        for span in spans
        for offset, job in enumerate(log[span.partition])
        if span.start <= offset < span.end
    ]


def process(plan: Plan, where: Where, log: Log, counts: dict[str, int], journal: Journal, steps: int | None) -> None:
    """One process of a replay, from taking over to its end, or killed amid the step after so many."""
    document = plan_of(plan.document)
    chooser = Chooser(document.asked, where, RULES)
    for e in records(log, list(document.spans)):
        chooser.take(e)
    again, chosen = chooser.finish(document.spans, {})
    assert again.jobs_sha256 == plan.jobs_sha256
    send = Sending(plan=document, where=where, ruleset=RULES, chosen=chosen, counts=counts, size=2, stride=3)
    at = journal.progress
    left = [replace(s, start=at.positions[s.partition]) for s in document.spans]
    for n, step in enumerate(send.steps(records(log, left), at)):
        if n == steps:
            return  # what it has written of this step is aborted by whoever takes over
        journal.commit(step)


@settings(max_examples=150, deadline=None)
@given(
    log=st.lists(st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=12), min_size=1, max_size=3),
    kills=st.lists(st.integers(0, 3), max_size=8),
    before=st.dictionaries(st.integers(0, 5), st.integers(0, 3)),
    limit=st.one_of(st.none(), st.integers(1, 4)),
)
def test_killed_anywhere_it_requests_each_job_once(
    log: Log, kills: list[int], before: dict[int, int], limit: int | None
) -> None:
    asked = Asked(
        topic="images.generated", source="log", where=WHERE, engine=None, preset=Preset.SAFE, lane=None, hold=None,
        rate=1.0, limit=limit, cap=2,
    )  # fmt: skip
    where = parse_where(WHERE, asked.topic, RULES)
    counts = {JOBS[n].job_id: times for n, times in before.items()}
    spans = [Span(partition=p, start=0, end=len(part)) for p, part in enumerate(log)]
    chooser = Chooser(asked, where, RULES)
    for e in records(log, spans):
        chooser.take(e)
    plan, chosen = chooser.finish(spans, counts)
    journal = Journal(Progress(positions={s.partition: s.start for s in plan.spans}))
    for steps in [*kills, None]:
        if not journal.done:
            process(plan, where, log, counts, journal, steps)
    wanted = Counter(job for job in chosen if counts.get(job, 0) < asked.cap)
    assert Counter(journal.sent) == wanted
    assert plan.jobs == wanted.total()
    assert journal.done
    assert journal.progress.positions == {s.partition: s.end for s in plan.spans}
    assert (journal.progress.sent, journal.progress.skipped) == (plan.jobs, plan.matched - plan.jobs)
