"""A lane taken for a number, and a case nobody handles."""

from typing import assert_never

from schemas.events import Verdict


def weight(verdict: Verdict) -> int:
    """Forgets the third verdict."""
    match verdict:
        case Verdict.ACCEPT:
            return "1"
        case Verdict.REJECT:
            return 0
        case _:
            assert_never(verdict)
