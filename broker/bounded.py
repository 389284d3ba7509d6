"""An end for calls into a client library that may forget their own time-out.

`send_offsets_to_transaction` of librdkafka (2.16 and before, its issues 5456 and 5511) never returns where the group's
coordinator went away while it was under way, which is what a broker that is killed and started again does.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from schemas.errors import Transient

T = TypeVar("T")

GRACE_S: Final = 5.0
"""How much longer than its own time-out a call may take before it counts as stuck: a busy machine is slow to wake."""
LOOK_S: Final = 0.5


class Stuck(Transient):
    """A call neither returned nor timed out. Its client is of no use any more: make another, or end the process."""


def bounded(doing: str, call: Callable[[], T], timeout_s: float) -> T:
    """Make a call that should end by itself within `timeout_s`; Stuck where it is under way long after that.

    The call runs in a thread of its own, which stays behind where it is stuck and holds no process up that ends.
    Raises what the call raises.
    """
    ended = threading.Event()
    came: list[T] = []
    failed: list[BaseException] = []

    def body() -> None:
        try:
            came.append(call())
        except BaseException as e:  # noqa: BLE001 - handed over whole to the thread that waits
            failed.append(e)
        finally:
            ended.set()

    threading.Thread(target=body, name=f"bounded {doing}", daemon=True).start()
    # Many short looks and not one long one: a process that was frozen meanwhile loses one look, and not all its time.
    for _ in range(math.ceil((timeout_s + GRACE_S) / LOOK_S)):
        if ended.wait(LOOK_S):
            break
    else:
        raise Stuck(f"{doing}: no answer and no time-out, {GRACE_S:g} s after the {timeout_s:g} s that it was given")
    if failed:
        raise failed[0]
    return came[0]
