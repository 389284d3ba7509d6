"""`audit verify` on a real Postgres whose rows somebody tampered with, owner's rights and all."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from audit import ledger
from audit.chain import Kind, first_head, link_hash
from audit.verify import Report, anchors, verify
from schemas.catalogue import PROMPTS
from schemas.errors import BadConfig, Transient
from tests.integration.audit_ledger import fetched, fill, open_ledger
from tests.stories import accepted, job, submitted

ROWS = 10


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with open_ledger(database) as connection:
        fill(connection, fetched([submitted(job(f"verify-{n}")) for n in range(ROWS)]))
        fill(connection, fetched(accepted(job("verify-other"))[2:], partition=1))
        yield connection


def tamper(conn: psycopg.Connection, change: LiteralString, **parameters: object) -> None:
    """What an owner of the tables can do: put the guard aside, change, put it back."""
    conn.execute("ALTER TABLE ledger DISABLE TRIGGER ledger_append_only")
    conn.execute(change, parameters)
    conn.execute("ALTER TABLE ledger ENABLE ALWAYS TRIGGER ledger_append_only")


def places(report: Report) -> list[tuple[Kind, str, int, int | None]]:
    assert report.found == len(report.findings)
    return [(f.kind, f.topic, f.partition, f.offset) for f in report.findings]


def test_an_untouched_ledger_is_whole(conn: psycopg.Connection):
    told: list[int] = []
    report = verify(conn, progress=told.append)
    assert report.found == 0
    assert report.rows == ROWS + 4 == told[-1]
    assert verify(conn, topic=PROMPTS).rows == ROWS


def test_a_changed_byte_is_found(conn: psycopg.Connection):
    tamper(conn, 'UPDATE ledger SET value = set_byte(value, 9, 0) WHERE topic = %(t)s AND "offset" = 4', t=PROMPTS)
    assert places(verify(conn)) == [(Kind.CHANGED, PROMPTS, 0, 4)]
    assert verify(conn, topic="images.generated").found == 0


def test_a_row_deleted_from_the_middle_is_found(conn: psycopg.Connection):
    tamper(conn, 'DELETE FROM ledger WHERE topic = %(t)s AND "offset" = 4', t=PROMPTS)
    assert places(verify(conn)) == [(Kind.MISSING, PROMPTS, 0, 5)]


def test_the_last_row_deleted_is_found(conn: psycopg.Connection):
    tamper(conn, 'DELETE FROM ledger WHERE topic = %(t)s AND "offset" = 9', t=PROMPTS)
    assert places(verify(conn)) == [(Kind.MISSING, PROMPTS, 0, 9)]


def test_a_partition_deleted_whole_is_found(conn: psycopg.Connection):
    tamper(conn, "DELETE FROM ledger WHERE topic = %(t)s", t=PROMPTS)
    assert places(verify(conn)) == [(Kind.MISSING, PROMPTS, 0, 9)]


def test_an_inserted_row_is_found(conn: psycopg.Connection):
    tamper(
        conn,
        """INSERT INTO ledger SELECT topic, partition, generation, "offset" + 90, position + 1, timestamp_ms, key,
           value, headers, record, job_id, hash, sha256('forged') FROM ledger WHERE topic = %(t)s AND "offset" = 9""",
        t=PROMPTS,
    )
    assert places(verify(conn)) == [(Kind.CHANGED, PROMPTS, 0, 99), (Kind.ADDED, PROMPTS, 0, 99)]


def test_rows_that_changed_places_are_found(conn: psycopg.Connection):
    tamper(
        conn,
        """UPDATE ledger AS a SET value = b.value, hash = b.hash, previous_hash = b.previous_hash, job_id = b.job_id
           FROM ledger AS b WHERE a.topic = %(t)s AND b.topic = a.topic AND a."offset" IN (3, 4)
           AND b."offset" = 7 - a."offset" """,
        t=PROMPTS,
    )
    found = places(verify(conn))
    assert (Kind.CHANGED, PROMPTS, 0, 3) in found
    assert (Kind.CHANGED, PROMPTS, 0, 4) in found


def forge_from(conn: psycopg.Connection, offset: int) -> bytes:
    """Change one row and make every later hash anew, as an intruder who read our code would; the new last hash."""
    with conn.transaction():
        rows = list(ledger.rows(conn, PROMPTS))
    before = rows[offset].previous_hash
    for link in rows[offset:]:
        entry = replace(link.entry, value=b"forged") if link is rows[offset] else link.entry
        own = link_hash(before, entry)
        tamper(
            conn,
            """UPDATE ledger SET value = %(v)s, previous_hash = %(p)s, hash = %(h)s
               WHERE topic = %(t)s AND "offset" = %(o)s""",
            v=entry.value, p=before, h=own, t=PROMPTS, o=entry.offset,
        )  # fmt: skip
        before = own
    return before


def test_a_chain_made_anew_does_not_end_at_its_head(conn: psycopg.Connection):
    forge_from(conn, 4)
    assert places(verify(conn)) == [(Kind.HEAD, PROMPTS, 0, 9)]


def test_a_chain_and_head_made_anew_do_not_match_an_anchor(conn: psycopg.Connection, tmp_path: Path):
    kept = tmp_path / "heads.json"
    kept.write_text(json.dumps(verify(conn).plain()))
    fill(conn, fetched([submitted(job("later"))], first=ROWS))
    assert verify(conn, known=anchors(kept)).found == 0, "a ledger that grew still holds its old heads"
    last = forge_from(conn, 4)
    conn.execute("ALTER TABLE ledger_heads DISABLE TRIGGER USER")
    conn.execute("UPDATE ledger_heads SET hash = %s WHERE topic = %s", [last, PROMPTS])
    conn.execute("ALTER TABLE ledger_heads ENABLE ALWAYS TRIGGER ledger_heads_kept")
    conn.execute("ALTER TABLE ledger_heads ENABLE ALWAYS TRIGGER ledger_heads_forward")
    assert verify(conn).found == 0, "the chain alone cannot tell"
    assert places(verify(conn, known=anchors(kept))) == [(Kind.ANCHOR, PROMPTS, 0, 9)]


def test_rows_and_head_gone_do_not_match_an_anchor(conn: psycopg.Connection, tmp_path: Path):
    kept = tmp_path / "heads.json"
    kept.write_text(json.dumps(verify(conn).plain()))
    tamper(conn, "DELETE FROM ledger WHERE topic = %(t)s", t=PROMPTS)
    conn.execute("ALTER TABLE ledger_heads DISABLE TRIGGER ledger_heads_kept")
    conn.execute("DELETE FROM ledger_heads WHERE topic = %s", [PROMPTS])
    conn.execute("ALTER TABLE ledger_heads ENABLE ALWAYS TRIGGER ledger_heads_kept")
    assert places(verify(conn, known=anchors(kept))) == [(Kind.MISSING, PROMPTS, 0, None)]


def test_a_guard_put_aside_is_found(conn: psycopg.Connection):
    conn.execute("ALTER TABLE ledger DISABLE TRIGGER ledger_append_only")
    assert places(verify(conn)) == [(Kind.UNGUARDED, "ledger", -1, None)]


def test_an_anchor_that_is_none_is_refused(tmp_path: Path):
    for text in ("", "{}", '{"heads": [{"topic": "t", "partition": 0, "rows": 1, "hash": "00"}]}'):
        (tmp_path / "anchor.json").write_text(text)
        with pytest.raises(BadConfig, match="no report of an earlier check"):
            anchors(tmp_path / "anchor.json")


def test_a_sink_that_was_overtaken_writes_nothing(conn: psycopg.Connection):
    was = ledger.heads(conn)[(PROMPTS, 0)]
    stale = replace(was, next_offset=was.next_offset - 1)
    with pytest.raises(Transient, match="moved under this sink"):
        ledger.move_heads(conn, [(stale, replace(was, next_offset=was.next_offset + 5))])
    assert ledger.heads(conn)[(PROMPTS, 0)] == was


def test_a_gap_is_kept_and_the_chain_goes_on_behind_it(conn: psycopg.Connection):
    was = ledger.heads(conn)[(PROMPTS, 0)]
    gap = ledger.Gap(
        topic=PROMPTS, partition=0, generation=1, from_offset=10, to_offset=0, reason="lost", noticed_at_ms=1
    )
    ledger.note_gap(conn, gap, was)
    fill(conn, fetched([submitted(job("anew"))]))
    report = verify(conn)
    assert report.found == 0
    assert report.gaps == (gap,)
    assert report.rows == ROWS + 5


def test_one_session_at_a_time_holds_the_lease(conn: psycopg.Connection, database: str):
    assert ledger.take_lease(conn)
    with open_ledger(database) as second:
        assert not ledger.take_lease(second)
    conn.close()
    with open_ledger(database) as third:
        while not ledger.take_lease(third):  # the server notices the end of the session a moment later
            third.execute("SELECT pg_stat_clear_snapshot()")


def test_the_first_head_is_of_no_row():
    assert first_head("t", 0).rows == 0
    assert len(first_head("t", 0).hash) == hashlib.sha256().digest_size
