"""Migrations on a real Postgres: once, in turn, never edited."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from audit.migrate import connect, migrate, migrations
from audit.statements import statement
from rules.lifecycle import State
from schemas.errors import Fatal, Transient


def test_migrations_are_applied_once(database: str):
    assert migrate(database) == tuple(f"{m.number:04d}_{m.name}" for m in migrations())
    assert migrate(database) == ()


def test_processes_that_start_together_take_turns(database: str):
    with ThreadPoolExecutor(6) as pool:
        applied = list(pool.map(migrate, [database] * 6))
    assert sorted(map(len, applied)) == [0, 0, 0, 0, 0, len(migrations())]


def test_an_applied_migration_that_was_edited_is_refused(database: str):
    migrate(database)
    first, *rest = migrations()
    with pytest.raises(Fatal, match=r"migration 1 \(ledger\) was edited"):
        migrate(database, [replace(first, sha256="0" * 64), *rest])


def test_a_database_of_a_newer_version_is_refused(database: str):
    migrate(database)
    with pytest.raises(Fatal, match="which this version does not know"):
        migrate(database, migrations()[:1])


def test_a_migration_that_fails_leaves_nothing_behind(database: str):
    first, second = migrations()[:2]
    with pytest.raises(psycopg.errors.SyntaxError):
        migrate(database, [first, replace(second, text="CREATE TABEL x ()")])
    assert migrate(database)[0] == "0001_ledger"


def test_files_that_are_no_migrations_are_refused(tmp_path: Path):
    (tmp_path / "0002_late.sql").write_text("SELECT 1")
    with pytest.raises(Fatal, match="want 1, 2, 3"):
        migrations(tmp_path)
    (tmp_path / "first.sql").write_text("SELECT 1")
    with pytest.raises(Fatal, match=r"first\.sql is no migration"):
        migrations(tmp_path)


def test_no_database_is_said_plainly():
    with pytest.raises(Fatal, match="presscheck up"):
        connect("")
    with pytest.raises(Transient, match="does not answer"):
        connect("postgresql://nobody@127.0.0.1:1/none")


def test_the_states_of_the_database_are_those_of_the_lifecycle(database: str):
    migrate(database)
    with connect(database) as conn:
        row = conn.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'runs_state'"
        ).fetchone()
    assert row is not None
    assert sorted(part.split("'")[1] for part in row[0].split(",")) == sorted(State)


@pytest.mark.parametrize("table", ["ledger", "ledger_gaps", "ledger_heads"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET partition = 1"])
def test_the_database_refuses_to_change_the_ledger(database: str, table: str, change: str):
    migrate(database)
    with connect(database, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO ledger_heads VALUES ('t', 0, 0, 1, 0, 1, sha256('a')), ('u', 0, 0, 1, 0, 1, sha256('a'))"
        )
        conn.execute("SET session_replication_role = replica")  # which makes ordinary triggers sleep
        if (table, change.split(maxsplit=1)[0]) == ("ledger_heads", "UPDATE"):
            change = "UPDATE {} SET rows = 0"
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
            conn.execute(change.format(table))  # pyright: ignore[reportArgumentType, reportCallIssue]
        assert conn.execute(statement("guards")).fetchall() == []
