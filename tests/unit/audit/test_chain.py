"""The chain names what was done to it; nothing that was done goes unseen."""

from dataclasses import replace

import pytest

from audit.chain import Entry, Head, Kind, Link, PartitionCheck, genesis, link_hash


def entry(offset: int, position: int, value: bytes | None = b"v") -> Entry:
    return Entry(
        topic="prompts",
        partition=1,
        generation=0,
        offset=offset,
        position=position,
        timestamp_ms=5,
        key=b"k",
        value=value,
        headers=(b"a", None),
        record="PromptSubmitted",
        job_id=None,
    )


def chain(count: int) -> list[Link]:
    """Rows at even offsets: the odd ones are markers of transactions."""
    links: list[Link] = []
    before = genesis("prompts", 1)
    for n in range(count):
        e = entry(2 * n, n, f"v{n}".encode())
        links.append(Link(entry=e, previous_hash=before, hash=link_hash(before, e)))
        before = links[-1].hash
    return links


def head(links: list[Link]) -> Head:
    last = links[-1]
    return Head(
        topic="prompts",
        partition=1,
        generation=0,
        rows=len(links),
        last_offset=last.entry.offset,
        next_offset=last.entry.offset + 2,
        hash=last.hash,
    )


def found(
    links: list[Link], of: Head | None, marks: list[tuple[int, bytes]] | None = None
) -> list[tuple[Kind, int | None]]:
    check = PartitionCheck("prompts", 1, marks or ())
    findings = [f for link in links for f in check.take(link)] + list(check.finish(of))
    return [(f.kind, f.offset) for f in findings]


def test_a_whole_chain_has_no_finding_though_offsets_have_gaps():
    links = chain(5)
    assert found(links, head(links), [(0, b"x"), (3, links[2].hash), (5, links[4].hash)]) == []


def test_an_empty_partition_follows_from_nothing():
    empty = replace(head(chain(1)), rows=0, last_offset=-1, hash=genesis("prompts", 1))
    assert found([], empty) == []


@pytest.mark.parametrize(
    "change",
    [
        {"value": b"v2x"},
        {"value": None},
        {"key": None},
        {"timestamp_ms": 6},
        {"headers": (b"a", b"")},
        {"headers": ()},
        {"record": None},
        {"job_id": "x"},
        {"generation": 1},
        {"partition": 2},
        {"topic": "prompt"},
    ],
)
def test_a_changed_field_is_named_at_its_row(change: dict[str, object]):
    links = chain(4)
    links[2] = replace(links[2], entry=replace(links[2].entry, **change))  # pyright: ignore[reportArgumentType]
    assert found(links, head(links)) == [(Kind.CHANGED, 4)]


def test_a_row_that_went_from_the_middle_is_missed_at_the_next_one():
    links = chain(5)
    assert found(links[:2] + links[3:], head(links)) == [(Kind.MISSING, 6)]


def test_a_row_that_went_from_the_front_is_missed():
    links = chain(3)
    assert found(links[1:], head(links)) == [(Kind.MISSING, 2)]


def test_rows_that_went_from_the_tail_are_missed_by_the_head():
    links = chain(5)
    assert found(links[:3], head(links)) == [(Kind.MISSING, 8)]
    assert found([], head(links)) == [(Kind.MISSING, 8)]


def test_a_row_that_came_in_between_is_named():
    links = chain(4)
    e = entry(3, 2)
    links.insert(2, Link(entry=e, previous_hash=links[1].hash, hash=link_hash(links[1].hash, e)))
    assert (Kind.ADDED, 4) in found(links, head(chain(4)))


def test_a_row_that_came_at_the_end_is_named():
    links = chain(4)
    e = entry(9, 4)
    longer = [*links, Link(entry=e, previous_hash=links[3].hash, hash=link_hash(links[3].hash, e))]
    assert found(longer, head(links)) == [(Kind.ADDED, 9)]


def test_rows_that_changed_places_are_named():
    links = chain(4)
    first, second = links[1], links[2]
    links[1] = replace(second, entry=replace(second.entry, offset=first.entry.offset))
    links[2] = replace(first, entry=replace(first.entry, offset=second.entry.offset))
    kinds = found(links, head(chain(4)))
    assert (Kind.CHANGED, 2) in kinds
    assert (Kind.CHANGED, 4) in kinds


def test_a_chain_that_was_made_anew_from_a_changed_row_does_not_end_at_the_head():
    links = chain(5)
    before = links[1].previous_hash
    forged = links[:1]
    for link in links[1:]:
        e = replace(link.entry, value=b"forged") if link is links[1] else link.entry
        forged.append(Link(entry=e, previous_hash=before, hash=link_hash(before, e)))
        before = forged[-1].hash
    assert found(forged, head(links)) == [(Kind.HEAD, 8)]
    assert found(forged, head(forged)) == [], "with the head forged too, only an anchor or the broker can tell"
    assert found(forged, head(forged), [(3, links[2].hash)]) == [(Kind.ANCHOR, 4)]


def test_an_anchor_beyond_the_rows_is_missed():
    links = chain(2)
    assert found(links, head(links), [(4, b"x" * 32)]) == [(Kind.ANCHOR, None)]


def test_rows_without_a_head_are_a_finding():
    assert found(chain(2), None) == [(Kind.HEAD, None)]


def test_a_row_that_leans_on_another_hash_is_broken():
    links = chain(3)
    links[1] = Link(entry=links[1].entry, previous_hash=b"x" * 32, hash=link_hash(b"x" * 32, links[1].entry))
    assert found(links, head(links)) == [(Kind.BROKEN, 2), (Kind.BROKEN, 4)]
