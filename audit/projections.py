"""Writes the projections: one statement a table, rows as one JSON parameter, in the transaction of the ledger rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, LiteralString, cast

import psycopg

from audit.project import Projected
from audit.rows import Row
from audit.statements import statement


def store(conn: psycopg.Connection, rows: Projected) -> None:
    """Write the rows of one batch inside the caller's transaction. Rows written before are left or joined."""
    tables: tuple[tuple[LiteralString, Mapping[Any, Row]], ...] = (
        (statement("put_jobs"), rows.jobs),
        (statement("put_runs"), rows.runs),
        (statement("put_attempts"), rows.attempts),
        (statement("put_measurements"), rows.measurements),
        (statement("put_verdicts"), rows.verdicts),
        (statement("put_defects"), rows.defects),
        (statement("put_first_verdicts"), rows.first_verdicts),
        (statement("put_rollout_steps"), rows.rollout_steps),
        (statement("put_touch_ups"), rows.touch_ups),
        (statement("put_labels"), rows.labels),
        (statement("put_dead_letters"), rows.dead_letters),
        (statement("put_recalls"), rows.recalls),
        (statement("put_operations"), rows.operations),
    )
    for query, batch in tables:
        if batch:
            conn.execute(query, {"rows": _json(batch.values())})


def _json(rows: Collection[Row]) -> str:
    return json.dumps([{f.name: _storable(getattr(row, f.name)) for f in fields(row)} for row in rows])


def _storable(value: Any) -> Any:
    """The value as JSON takes it. Postgres text holds no NUL: here it becomes U+FFFD, the ledger keeps the bytes."""
    if isinstance(value, str):
        return value.replace("\0", "�") if "\0" in value else str(value)
    if isinstance(value, tuple):
        return [_storable(v) for v in cast("tuple[Any, ...]", value)]
    if isinstance(value, Mapping):
        return {_storable(k): v for k, v in cast("Mapping[str, float]", value).items()}
    return value
