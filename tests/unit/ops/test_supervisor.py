from __future__ import annotations

import pytest

from ops.stack.supervisor import FIRST_PAUSE_S, LONGEST_PAUSE_S, LOOK_S, STEADY_S, Condition, Supervisor


class Puppet:
    """A service that ends when it is told to."""

    def __init__(self, *, obeys: bool = True) -> None:
        self.running, self.starts, self.obeys = False, 0, obeys
        self.status: int | None = None

    @property
    def pid(self) -> int | None:
        return self.starts or None

    def begin(self) -> None:
        self.running, self.status = True, None
        self.starts += 1

    def end(self, status: int) -> None:
        self.running, self.status = False, status

    def exit_status(self) -> int | None:
        return self.status

    def ask_to_stop(self) -> None:
        if self.running and self.obeys:
            self.end(0)

    def stop(self, wait_s: float) -> bool:
        self.ask_to_stop()
        killed = self.running
        if killed:
            self.end(-9)
        return not killed


def test_a_service_that_died_is_started_after_a_pause() -> None:
    puppet, supervisor = Puppet(), Supervisor()
    supervisor.add("puppet", puppet, now_s=0)
    puppet.end(-9)
    assert supervisor.tick(1.0) == FIRST_PAUSE_S
    assert (puppet.starts, supervisor.rows[0].condition) == (1, Condition.WAITING)
    supervisor.tick(1.0 + FIRST_PAUSE_S)
    assert puppet.starts == 2
    assert (supervisor.rows[0].restarts, supervisor.rows[0].last_exit) == (1, -9)


def test_pauses_double_up_to_the_longest_and_start_small_again_after_a_steady_time() -> None:
    puppet, supervisor, now = Puppet(), Supervisor(), 0.0
    supervisor.add("puppet", puppet, now_s=now)
    pauses: list[float] = []
    for _ in range(10):
        puppet.end(1)
        supervisor.tick(now)
        pauses.append(supervisor.rows[0].again_at_s - now)
        now = supervisor.rows[0].again_at_s
        supervisor.tick(now)
    assert pauses[:4] == [FIRST_PAUSE_S * f for f in (1, 2, 4, 8)]
    assert pauses[-1] == LONGEST_PAUSE_S
    now += STEADY_S
    puppet.end(1)
    supervisor.tick(now)
    assert supervisor.rows[0].again_at_s - now == FIRST_PAUSE_S


def test_a_quiet_supervisor_writes_nothing_and_looks_again_in_time() -> None:
    written: list[int] = []
    supervisor = Supervisor(changed=lambda: written.append(1))
    supervisor.add("puppet", Puppet(), now_s=0)
    before = len(written)
    assert supervisor.tick(1.0) == LOOK_S
    assert len(written) == before


def test_a_service_that_runs_already_is_taken_over_as_it_is() -> None:
    puppet, supervisor = Puppet(), Supervisor()
    puppet.begin()
    supervisor.add("puppet", puppet, now_s=0)
    assert puppet.starts == 1
    assert supervisor.rows[0].condition is Condition.RUNNING


@pytest.mark.parametrize(("obeys", "killed"), [(True, ()), (False, ("puppet",))])
def test_stop_tells_who_had_to_be_killed_and_leaves_the_others(obeys: bool, killed: tuple[str, ...]) -> None:
    puppet, other, supervisor = Puppet(obeys=obeys), Puppet(), Supervisor()
    supervisor.add("puppet", puppet, now_s=0)
    supervisor.add("other", other, now_s=0)
    assert supervisor.stop(["puppet"], 1.0) == killed
    assert not puppet.running
    assert other.running
    supervisor.tick(100.0)
    assert puppet.starts == 1
