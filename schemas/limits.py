"""Bounds that the Avro files state and every event type enforces when it is made."""

from __future__ import annotations

import math
import re
from collections.abc import Sized
from functools import cache

from schemas.errors import Poison


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def within(name: str, value: float, low: float | None, high: float | None) -> None:
    """Refuse a number outside low..high (inclusive; None means open) or not finite. Raises Poison."""
    if (low is not None and value < low) or (high is not None and value > high) or not math.isfinite(value):
        want = f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
        raise Poison(f"{name}={value}, want {want}")


def sized(name: str, value: Sized, low: int | None, high: int | None) -> None:
    """Refuse a string or sequence with fewer than low or more than high items. Raises Poison."""
    if (low is not None and len(value) < low) or (high is not None and len(value) > high):
        raise Poison(f"{name} has length {len(value)}, want {low or 0}..{'' if high is None else high}")


def matches(name: str, value: str, pattern: str) -> None:
    """Refuse a string that the whole pattern does not match. Raises Poison."""
    if _compiled(pattern).fullmatch(value) is None:
        raise Poison(f"{name}={value[:120]!r}, want the form {pattern}")
