"""Whatever one thing is done to a chain, the check sees it; whatever order topics come in, projections agree."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from audit.chain import Entry, Head, Link, PartitionCheck, genesis, link_hash
from audit.project import Projected
from schemas.events import DeadLetter
from tests.stories import Said, accepted, job, refused, replayed, reviewed

VALUES = st.none() | st.binary(max_size=6)
ENTRIES = st.builds(
    Entry,
    topic=st.just("t"),
    partition=st.just(0),
    generation=st.just(0),
    offset=st.just(0),
    position=st.just(0),
    timestamp_ms=st.integers(-1, 2**62),
    key=VALUES,
    value=VALUES,
    headers=st.lists(VALUES, max_size=4).map(tuple),
    record=st.none() | st.text(max_size=4),
    job_id=st.none() | st.text(max_size=4),
)


def linked(entries: list[Entry], steps: list[int]) -> list[Link]:
    links: list[Link] = []
    before, offset = genesis("t", 0), 0
    for position, (entry, step) in enumerate(zip(entries, steps, strict=False)):
        offset += step
        e = replace(entry, offset=offset, position=position)
        links.append(Link(entry=e, previous_hash=before, hash=link_hash(before, e)))
        before = links[-1].hash
    return links


def findings(links: list[Link], head: Head) -> int:
    check = PartitionCheck("t", 0)
    return len([f for link in links for f in check.take(link)]) + len(list(check.finish(head)))


CHAINS = st.integers(2, 6).flatmap(
    lambda n: st.builds(
        linked, st.lists(ENTRIES, min_size=n, max_size=n), st.lists(st.integers(1, 3), min_size=n, max_size=n)
    )
)


@given(CHAINS, st.data())
def test_any_one_change_is_seen(links: list[Link], data: st.DataObject):
    last = links[-1]
    head = Head(
        topic="t", partition=0, generation=0, rows=len(links), last_offset=last.entry.offset,
        next_offset=last.entry.offset + 1, hash=last.hash,
    )  # fmt: skip
    assert findings(links, head) == 0
    at = data.draw(st.integers(0, len(links) - 1))
    change = data.draw(st.sampled_from(["drop", "double", "swap", "field", "hash", "previous"]))
    victim, changed = links[at], list(links)
    if change == "drop":
        del changed[at]
    elif change == "double":
        changed.insert(at, victim)
    elif change == "swap":
        other = data.draw(st.integers(0, len(links) - 1).filter(lambda n: n != at))
        changed[at], changed[other] = changed[other], changed[at]
    elif change == "field":
        field, values = data.draw(
            st.sampled_from(
                [
                    ("key", VALUES),
                    ("value", VALUES),
                    ("timestamp_ms", st.integers(-1, 9)),
                    ("offset", st.integers(0, 99)),
                ]
            )
        )
        new: Any = data.draw(values.filter(lambda v: v != getattr(victim.entry, field)))
        changed[at] = replace(victim, entry=replace(victim.entry, **{field: new}))
    elif change == "hash":
        changed[at] = replace(victim, hash=bytes(32))
    else:
        changed[at] = replace(victim, previous_hash=bytes(32))
    assert findings(changed, head) > 0


@given(ENTRIES, ENTRIES)
def test_unlike_entries_have_unlike_hashes(a: Entry, b: Entry):
    assert (link_hash(bytes(32), a) == link_hash(bytes(32), b)) == (a == b)


STORIES: list[Said] = [
    *accepted(job("p-1"), rejects=2),
    *reviewed(job("p-2"), then_approved=True),
    *refused(job("p-3")),
    *reviewed(job("p-4")),
    *replayed(job("p-1"), "again"),
]


def projected(said: list[Said]) -> dict[str, Any]:
    rows = Projected()
    for _, event in said:
        assert not isinstance(event, DeadLetter)
        rows.take(event, None)
    return vars(rows)


@given(st.permutations(STORIES))
def test_projections_do_not_depend_on_the_order_of_topics(said: list[Said]):
    assert projected(said) == projected(STORIES)


@given(st.permutations(STORIES), st.lists(st.sampled_from(STORIES), max_size=8))
def test_a_record_seen_twice_changes_nothing(said: list[Said], again: list[Said]):
    assert projected([*said, *again]) == projected(STORIES)
