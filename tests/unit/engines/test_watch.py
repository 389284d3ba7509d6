"""When a batch is cancelled: after its time, or where it could not be done before a stop."""

from __future__ import annotations

import pytest

from broker.worker_drain import Drain
from rules.engines import EngineKind
from tests import renders
from workers.engines.port import Cancelled
from workers.engines.simulator import Simulator
from workers.engines.typeset import Typeset
from workers.watch import HARD_SHARE, REST_S, BatchWatch, Cause, limit_s


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def silent(_done: int, _of: int) -> None:
    """Nobody listens."""


def watch(clock: Clock, drain: Drain, *, warm: bool = True) -> BatchWatch:
    return BatchWatch(limit_s=10, drain=drain, tell=silent, warm=warm, clock=clock)


def test_a_batch_may_take_its_time_and_not_more():
    clock = Clock()
    its = watch(clock, Drain())
    clock.now += 10
    its.step(1, 28)
    clock.now += 0.1
    with pytest.raises(Cancelled):
        its.step(2, 28)
    assert its.cause is Cause.TIMEOUT


def test_loading_and_compiling_are_not_the_batchs_time():
    clock = Clock()
    its = watch(clock, Drain(), warm=False)
    clock.now += 300
    its.step(1, 28)
    clock.now += 10
    its.step(2, 28)
    clock.now += 0.1
    with pytest.raises(Cancelled):
        its.step(3, 28)


@pytest.mark.parametrize(("left_s", "cancelled"), [(REST_S + 9.5, False), (REST_S + 8.5, True)])
def test_after_a_stop_a_batch_goes_on_only_if_it_can_be_done_in_time(left_s: float, cancelled: bool):
    clock, drain = Clock(), Drain()
    its = watch(clock, drain)
    clock.now += 1
    its.step(1, 10)
    drain.begin(clock.now + left_s)  # nine steps of a second are to come
    if not cancelled:
        its.step(1, 10)
        return
    with pytest.raises(Cancelled):
        its.step(1, 10)
    assert its.cause is Cause.STOP


def test_a_batch_whose_pace_is_not_known_goes_on_until_the_time_is_up():
    clock, drain = Clock(), Drain()
    its = watch(clock, drain)
    drain.begin(clock.now + REST_S + 2)
    clock.now += 1
    its.step(0, 0)
    clock.now += 1.5
    with pytest.raises(Cancelled):
        its.step(0, 0)


def test_every_step_is_told():
    told: list[tuple[int, int]] = []
    its = BatchWatch(limit_s=10, drain=Drain(), tell=lambda done, of: told.append((done, of)))
    its.step(1, 2)
    its.step(2, 2)
    assert told == [(1, 2), (2, 2)]


def test_a_batch_has_the_time_of_its_pictures_and_ends_before_its_process_does():
    profile = renders.profile(EngineKind.SIMULATOR)  # 60 s a picture
    assert limit_s(profile, 1, 600) == 60
    assert limit_s(profile, 4, 600) == 240
    assert limit_s(profile, 16, 600) == HARD_SHARE * 600


def test_steps_that_are_counted_anew_have_a_pace_of_their_own():
    clock, drain = Clock(), Drain()
    its = BatchWatch(limit_s=1000, drain=drain, tell=silent, clock=clock)
    clock.now += 90
    its.step(3, 3)  # art was painted, half a minute a step
    drain.begin(clock.now + REST_S + 4)
    clock.now += 0.5
    its.step(1, 4)  # setting text over it takes half a second a picture
    clock.now += 0.5
    its.step(2, 4)
    clock.now += 3
    with pytest.raises(Cancelled):
        its.step(3, 4)
    assert its.cause is Cause.STOP


def test_a_second_part_of_a_batch_is_judged_by_its_own_steps():
    clock, drain = Clock(), Drain()
    its = BatchWatch(limit_s=1000, drain=drain, tell=silent, warm=False, clock=clock)
    for step in (1, 2, 3, 4):
        clock.now += 1
        its.step(step, 4)
    drain.begin(clock.now + REST_S + 4.5)
    for step in (1, 2, 3, 4):
        clock.now += 1
        its.step(step, 4)
    assert its.cause is None


@pytest.mark.parametrize("engine", [Simulator, Typeset])
def test_what_is_drawn_picture_by_picture_can_be_cancelled_between_two(engine: type[Simulator | Typeset]):
    seen: list[tuple[int, int]] = []

    class Second:
        def step(self, done: int, of: int) -> None:
            seen.append((done, of))
            if done == 2:
                raise Cancelled

    kind = EngineKind.SIMULATOR if engine is Simulator else EngineKind.TYPESET
    asked = [renders.request(seed=n, size=(64, 64)) for n in range(3)]
    with pytest.raises(Cancelled):
        engine(renders.profile(kind), lambda _: ()).render(asked, {}, Second())
    assert seen == [(1, 3), (2, 3)]
