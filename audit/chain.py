"""The hash chain of the ledger, with no I/O: how a row is hashed, and how a stream of rows is checked."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LABEL: Final = b"presscheck ledger 1\x00"
"""Begins every hash, so that a ledger hash can never be taken for another sha256 of the same bytes."""

_INTS: Final = struct.Struct(">qqqqq")
_LENGTH: Final = struct.Struct(">q")
_NULL: Final = _LENGTH.pack(-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a ledger row says, without its hashes. `headers` alternates names and values."""

    topic: str
    partition: int
    generation: int
    offset: int
    position: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[bytes | None, ...]
    record: str | None
    job_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A ledger row: an entry, the hash of the row before it and its own. Hashes have 32 bytes."""

    entry: Entry
    previous_hash: bytes
    hash: bytes


def _field(value: bytes | None) -> bytes:
    return _NULL if value is None else _LENGTH.pack(len(value)) + value


def _text(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def genesis(topic: str, partition: int) -> bytes:
    """What the first row of a topic partition takes for the hash before it."""
    return hashlib.sha256(LABEL + _field(topic.encode()) + _LENGTH.pack(partition)).digest()


def link_hash(previous: bytes, entry: Entry) -> bytes:
    """sha256 over the hash before, and every field with its length: no two entries share an encoding."""
    digest = hashlib.sha256(LABEL + previous)
    digest.update(_field(entry.topic.encode()))
    digest.update(_INTS.pack(entry.partition, entry.generation, entry.offset, entry.position, entry.timestamp_ms))
    digest.update(_field(entry.key) + _field(entry.value) + _LENGTH.pack(len(entry.headers)))
    digest.update(b"".join(_field(h) for h in entry.headers))
    digest.update(_field(_text(entry.record)) + _field(_text(entry.job_id)))
    return digest.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where one topic partition stands in the ledger.

    `last_offset` is -1 before the first row; reading goes on at `next_offset`.
    """

    topic: str
    partition: int
    generation: int
    rows: int
    last_offset: int
    next_offset: int
    hash: bytes


def first_head(topic: str, partition: int) -> Head:
    """The head of a partition of which nothing was read yet."""
    return Head(
        topic=topic,
        partition=partition,
        generation=0,
        rows=0,
        last_offset=-1,
        next_offset=0,
        hash=genesis(topic, partition),
    )


class Kind(StrEnum):
    """What was found to be wrong with the ledger."""

    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"
    BROKEN = "broken"
    HEAD = "head"
    ANCHOR = "anchor"
    UNGUARDED = "unguarded"
    BROKER = "broker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong. `offset` is None where a whole partition or table is meant."""

    kind: Kind
    topic: str
    partition: int
    offset: int | None
    detail: str


class PartitionCheck:
    """Checks the rows of one topic partition as they come, in order; holds one row's hash and no row.

    `marks` are (rows, hash) pairs once written down elsewhere: after so many rows the hash must be that one.
    """

    def __init__(self, topic: str, partition: int, marks: Sequence[tuple[int, bytes]] = ()) -> None:
        self.topic, self.partition = topic, partition
        self.last: Entry | None = None
        self._hash = genesis(topic, partition)
        self._next_position = 0
        self._marks = sorted(m for m in marks if m[0] > 0)

    def _finding(self, kind: Kind, offset: int | None, detail: str) -> Finding:
        return Finding(kind=kind, topic=self.topic, partition=self.partition, offset=offset, detail=detail)

    def take(self, row: Link) -> Iterator[Finding]:
        """What is wrong with the next row. Goes on from what the row says, so one wound is told once."""
        entry = row.entry
        if link_hash(row.previous_hash, entry) != row.hash:
            yield self._finding(Kind.CHANGED, entry.offset, "the row does not have the hash that it states")
        if entry.position > self._next_position:
            count = entry.position - self._next_position
            yield self._finding(Kind.MISSING, entry.offset, f"{count} row(s) are gone just before this one")
        elif entry.position < self._next_position:
            yield self._finding(
                Kind.ADDED, entry.offset, f"position {entry.position} comes again, want {self._next_position}"
            )
        elif row.previous_hash != self._hash:
            yield self._finding(Kind.BROKEN, entry.offset, "the row does not follow the one before it")
        self._next_position = entry.position + 1
        self._hash, self.last = row.hash, entry
        while self._marks and self._marks[0][0] <= self._next_position:
            count, expected = self._marks.pop(0)
            if count == self._next_position and expected != self._hash:
                yield self._finding(
                    Kind.ANCHOR,
                    entry.offset,
                    f"row {count} has the hash {self._hash.hex()}, once it had {expected.hex()}",
                )

    def finish(self, head: Head | None) -> Iterator[Finding]:
        """What the end of the rows lacks against the head that the sink wrote, and the marks not reached."""
        last, rows = -1 if self.last is None else self.last.offset, self._next_position
        if head is None:
            yield self._finding(Kind.HEAD, None, f"{rows} row(s), and no head tells of them")
        elif rows < head.rows:
            yield self._finding(
                Kind.MISSING,
                head.last_offset,
                f"{head.rows - rows} row(s) are gone from the tail, after offset {last} and up to this one",
            )
        elif rows > head.rows:
            yield self._finding(Kind.ADDED, last, f"{rows} row(s), the head tells of {head.rows}")
        elif self._hash != head.hash or last != head.last_offset:
            yield self._finding(
                Kind.HEAD, last, f"the last row does not have the hash and offset {head.last_offset} of the head"
            )
        for count, _ in self._marks:
            yield self._finding(Kind.ANCHOR, None, f"{rows} row(s), once there were {count}")
