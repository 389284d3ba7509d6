"""Watches a release: asks the audit store what people say of what was let go, before each further lot."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Final

import psycopg

from audit import ledger, recoveries
from audit.migrate import connect
from broker.lag import PartitionLag, lag_behind
from broker.settings import Settings
from ops.recovery.holds import ASKED_TO_END, Lots, Released
from rules.limits import GUARDS, Limit, parse_limit, tripped
from schemas.catalogue import DESIGN_QUEUE, HELD, LABELS, TOUCH_UPS
from schemas.errors import BadConfig

SPAN: Final = re.compile(r"(\d{1,5})(s|m|h)")
SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}
WORDS: Final = (DESIGN_QUEUE, HELD, TOUCH_UPS, LABELS)
"""What the figures of guards are made of."""
AUDIT_S: Final = 30.0
"""How long a release waits for an audit that is behind, which is seconds even under load."""
LOOK_S: Final = 0.5


def parse_pause(text: str, *, option: str = "--pause") -> float:
    """Seconds of `30s`, `5m` or `1h`. Raises BadConfig."""
    found = SPAN.fullmatch(text.strip())
    if found is None:
        raise BadConfig(f"{option}: {text!r} is no span of time", mend="give one such as 30s, 5m or 1h")
    return float(int(found[1]) * SECONDS[found[2]])


def parse_guards(texts: Sequence[str]) -> tuple[Limit, ...]:
    """The guards of a release. Raises BadConfig."""
    return tuple(parse_limit(text, GUARDS, option="--guard") for text in texts)


def watched_lots(
    settings: Settings,
    hold_id: str,
    *,
    size: int,
    pause_s: float,
    guards: Sequence[Limit],
    wait: Callable[[float], bool],
    told: Callable[[Released], None],
    audit_s: float = AUDIT_S,
) -> Lots:
    """Lots that stop by themselves, and where the audit has not stored for `audit_s` seconds what was said by then.

    Where the audit store does not answer, nothing more is released: Transient.
    """

    def guard(done: Released) -> str | None:
        told(done)
        if not guards:
            return None
        with connect(settings.database_url.get_secret_value(), autocommit=True) as conn:
            if done.delivered + done.delivered_before and (why := _unseen(settings, conn, wait, audit_s)) is not None:
                return why
            found = recoveries.released(conn, hold_id)
        stops = tripped(guards, found.shares())
        return None if not stops else f"of {found.released} released assets: {'; '.join(stops)}"

    return Lots(size=size, pause_s=pause_s, wait=wait, guard=guard)


def _unseen(
    settings: Settings, conn: psycopg.Connection, wait: Callable[[float], bool], patience_s: float
) -> str | None:
    """Why the figures cannot be gone by: the audit has not stored all that was there when this was asked."""
    ends = {(f.topic, f.partition): f.end for f in _behind(settings, conn) if f.records}
    until = time.monotonic() + patience_s
    while ends and (
        left := sum(
            max(0, ends.get((f.topic, f.partition), 0) - f.position) for f in _behind(settings, conn) if f.records
        )
    ):
        if time.monotonic() > until:
            return f"the audit is behind by {left} offsets, and cannot say yet how the assets fare"
        if wait(LOOK_S):
            return ASKED_TO_END
    return None


def _behind(settings: Settings, conn: psycopg.Connection) -> tuple[PartitionLag, ...]:
    positions = {place: head.next_offset for place, head in ledger.heads(conn).items()}
    return lag_behind(settings, positions, WORDS)
