"""Watches a release: asks the audit store what people say of what was let go, before each further lot."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from audit import recoveries
from audit.migrate import connect
from broker.settings import Settings
from ops.holds import Lots, Released
from rules.limits import GUARDS, Limit, parse_limit, tripped
from schemas.errors import BadConfig

SPAN: Final = re.compile(r"(\d{1,5})(s|m|h)")
SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}


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
) -> Lots:
    """Lots that stop by themselves. Where the audit store does not answer, nothing more is released: Transient."""

    def guard(done: Released) -> str | None:
        told(done)
        if not guards:
            return None
        with connect(settings.database_url.get_secret_value(), autocommit=True) as conn:
            found = recoveries.released(conn, hold_id)
        stops = tripped(guards, found.shares())
        return None if not stops else f"of {found.released} released assets: {'; '.join(stops)}"

    return Lots(size=size, pause_s=pause_s, wait=wait, guard=guard)
