"""Which batch is next, for any traffic: order within a partition, and nobody passed over once a stated wait is over."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.worker_core import PATIENCE
from broker.worker_port import Batch, Held
from tests.unit.broker.test_worker_swap import ROOM, SWAP_S, Stage

Arrival = tuple[str, str, float]
"""Engine, lane, and seconds since the arrival before."""

LANES = ("critical", "exploratory")
arrivals = st.lists(st.tuples(st.sampled_from("aaabc"), st.sampled_from(LANES), st.floats(0, 3)), max_size=80)


def waiting(its: Stage, lane: str) -> list[Held]:
    return [held for queue in its.lanes[lane].peek() for held in queue]


@settings(max_examples=300, deadline=None)
@given(arrivals, st.floats(0.1, 15))
def test_nobody_is_passed_over_once_its_wait_is_over(traffic: Sequence[Arrival], batch_takes_s: float) -> None:
    its, now, came = Stage(), 0.0, 0.0
    coming = list(traffic)
    passed = 0
    order: dict[tuple[str, int], list[int]] = {}
    done = 0
    while coming or any(ahead.size for ahead in its.lanes.values()):
        while coming and not its.lanes[coming[0][1]].full and came + coming[0][2] <= now:
            which, lane, later = coming.pop(0)
            came += later
            its.offer(which, 1, at_s=now, lane=lane)
        before = {lane: waiting(its, lane) for lane in its.lanes}
        batch = its.core.choose(now)
        if not isinstance(batch, Batch):
            now = max(now + 0.01, came + (coming[0][2] if coming else 0.0))
            continue
        its.core.work(batch, 1)
        lane = list(its.lanes)[batch.lane]
        # Within a lane: for everything whose wait is over, this batch holds what came no later.
        first = min(held.arrived_s for held in batch.held)
        assert all(first <= held.arrived_s for held in before[lane] if now - held.arrived_s >= SWAP_S)
        # Between lanes: critical first, and the other after PATIENCE batches at the latest.
        passed = passed + 1 if batch.lane == 0 and before["exploratory"] else 0
        assert passed <= PATIENCE
        assert batch.lane == 0 or not before["critical"] or passed == 0
        for held in batch.held:
            order.setdefault(held.record.place, []).append(held.record.offset)
        assert len({its.handler.batch_key(h.event) for h in batch.held if h.event}) == 1
        done += len(batch.held)
        assert its.lanes[lane].size <= ROOM
        now += batch_takes_s
    assert done == len(traffic)
    assert all(offsets == sorted(offsets) for offsets in order.values())
