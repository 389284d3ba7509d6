"""A call that forgets its time-out is given up; all others are as if they were made directly."""

from __future__ import annotations

import threading

import pytest

from broker import bounded as module
from broker.bounded import Stuck, bounded


def test_what_the_call_gives_or_raises_comes_through() -> None:
    assert bounded("asking", lambda: 7, 1) == 7
    with pytest.raises(ZeroDivisionError):
        bounded("asking", lambda: 1 // 0, 1)


def test_a_call_without_an_end_is_given_up_and_holds_nothing_up() -> None:
    never = threading.Event()
    with pytest.raises(Stuck, match="asking: no answer"):
        bounded("asking", never.wait, -module.GRACE_S + module.LOOK_S)
    left = [t for t in threading.enumerate() if t.name == "bounded asking"]
    assert [t.daemon for t in left] == [True]
    never.set()
    left[0].join(10)
    assert not left[0].is_alive()
