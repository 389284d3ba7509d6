"""Brings a database up to date: numbered files, applied in order, each once, under a lock."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, LiteralString, cast

import psycopg

from audit.statements import MIGRATIONS, statement
from schemas.errors import Fatal, Transient

LOCK_KEY: Final = 0x7072657373_01
"""Advisory lock of migrations: two processes that start together take turns."""
FILE_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
CONNECT_S: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file: its number (from 1, without holes), its name, its text and the sha256 of it."""

    number: int
    name: str
    text: LiteralString
    sha256: str


def migrations(folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """Every migration in order. Raises Fatal where a file is not named as one, or a number is missing or twice."""
    out: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise Fatal(f"{path.name} is no migration: name it like 0001_what_it_does.sql")
        text = path.read_text(encoding="utf-8")
        out.append(
            Migration(
                number=int(match[1]),
                name=match[2],
                text=cast("LiteralString", text),
                sha256=hashlib.sha256(text.encode()).hexdigest(),
            )
        )
    if [m.number for m in out] != list(range(1, len(out) + 1)):
        raise Fatal(f"migrations are numbered {[m.number for m in out]}, want 1, 2, 3 … each once")
    return tuple(out)


def connect(dsn: str, *, autocommit: bool = False) -> psycopg.Connection:
    """A connection that notices a dead server. Raises Transient where none answers, Fatal without an address."""
    if not dsn:
        raise Fatal("no database is known: run `presscheck up` first, or set PRESSCHECK_DATABASE_URL")
    try:
        return psycopg.connect(
            dsn,
            autocommit=autocommit,
            connect_timeout=CONNECT_S,
            application_name="presscheck",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
    except psycopg.OperationalError as e:
        raise Transient(f"Postgres does not answer: {e}") from e


def migrate(dsn: str, steps: Sequence[Migration] | None = None) -> tuple[str, ...]:
    """Apply what is not applied yet, all of it or nothing; names of what was.

    Raises Fatal where an applied migration was edited or is not known here, Transient where Postgres is away.
    """
    wanted = migrations() if steps is None else tuple(steps)
    with connect(dsn) as conn:
        conn.execute(statement("lock_for_transaction"), {"key": LOCK_KEY})
        conn.execute(statement("migrations_table"))
        applied = {
            cast("int", number): (cast("str", name), cast("str", sha256))
            for number, name, sha256 in conn.execute(statement("migrations_applied")).fetchall()
        }
        known = {m.number: m for m in wanted}
        for number, (name, sha256) in applied.items():
            step = known.get(number)
            if step is None:
                raise Fatal(f"the database has migration {number} ({name}), which this version does not know")
            if step.sha256 != sha256:
                raise Fatal(
                    f"migration {number} ({name}) was edited after it was applied; restore it and add a new one"
                )
        todo = [m for m in wanted if m.number not in applied]
        for step in todo:
            conn.execute(step.text)
            conn.execute(statement("migration_done"), {"number": step.number, "name": step.name, "sha256": step.sha256})
    return tuple(f"{m.number:04d}_{m.name}" for m in todo)
