"""Which engines stay on the accelerator: those used last, as many as fit; and who is built when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from rules.engines import EngineKind, EngineProfile, Loading, Offload
from schemas.events import RenderRequest
from tests import renders
from workers.engines.pool import GB, LEAST_RESERVE, Pool, budget
from workers.engines.port import Engine
from workers.engines.simulator import Simulator
from workers.engines.typeset import Typeset

BIG = 30
"""Bytes of every engine with weights; two fit in ROOM."""
ROOM = 70


def no_palette(_request: RenderRequest) -> Sequence[str]:
    return ()


class Heavy(Simulator):
    """Draws, with weights that it puts on an accelerator when it renders."""

    def __init__(self, profile: EngineProfile) -> None:
        super().__init__(profile, no_palette)
        self.awake = False

    @property
    def resident_bytes(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return BIG if self.awake else 0

    def park(self) -> None:
        self.awake = False


class Process:
    """A pool, and renders with its engines."""

    def __init__(self, room: int = ROOM) -> None:
        self.built: list[str] = []
        names = ("sd3-a", "sd3-b", "sd3-c", "typeset", "simulator")
        self.profiles = {n: replace(renders.profile(EngineKind.SIMULATOR), id=n) for n in names}
        self.pool = Pool(build=self.build, serves=frozenset(names), budget_bytes=lambda: room)

    def build(self, profile: EngineProfile) -> Engine:
        self.built.append(profile.id)
        if profile.id.startswith("sd3"):
            return Heavy(profile)
        return (Typeset if profile.id == "typeset" else Simulator)(profile, no_palette)

    def render(self, name: str) -> tuple[str, ...]:
        """What is loaded afterwards."""
        profile = self.profiles[name]
        engine = self.pool.engine(profile)
        assert engine is not None
        self.pool.make_room(profile)
        (made,) = engine.render([renders.request(size=(64, 64))], {})
        assert made
        if isinstance(engine, Heavy):
            engine.awake = True
        self.pool.used(profile)
        return self.pool.resident


def test_an_engine_is_built_once_when_it_is_first_needed():
    its = Process()
    assert not its.pool.ready(its.profiles["typeset"])
    assert its.pool.built(its.profiles["typeset"]) is None
    assert its.built == []
    its.render("typeset")
    its.render("typeset")
    assert its.built == ["typeset"]


def test_what_this_process_does_not_serve_is_not_built():
    its = Process()
    assert its.pool.engine(replace(its.profiles["typeset"], id="elsewhere")) is None
    assert its.built == []


def test_one_that_was_never_loaded_has_the_device_for_itself():
    its = Process()
    assert its.render("sd3-a") == ("sd3-a",)
    assert its.render("sd3-b") == ("sd3-b",)


def test_the_one_unused_for_longest_leaves_when_there_is_no_room():
    its = Process()
    for name in ("sd3-a", "sd3-b", "sd3-c"):
        its.render(name)  # their sizes are known now
    assert its.render("sd3-a") == ("sd3-a", "sd3-c")
    assert its.render("sd3-c") == ("sd3-c", "sd3-a")
    assert its.render("sd3-b") == ("sd3-b", "sd3-c")
    assert its.built == ["sd3-a", "sd3-b", "sd3-c"]


def test_an_engine_larger_than_the_room_is_loaded_by_itself():
    its = Process(room=BIG - 1)
    for name in ("sd3-a", "sd3-b", "sd3-a"):
        assert its.render(name) == (name,)


def test_engines_without_weights_are_always_ready_and_drive_nobody_out():
    its = Process()
    for name in ("typeset", "simulator"):
        its.render(name)
    assert its.render("sd3-a") == ("sd3-a",)
    assert its.render("typeset") == ("sd3-a",)
    assert its.render("simulator") == ("sd3-a",)
    assert all(its.pool.ready(its.profiles[n]) for n in ("typeset", "simulator", "sd3-a"))
    its.render("sd3-b")
    assert not its.pool.ready(its.profiles["sd3-a"])


def test_a_changed_profile_gets_a_new_engine_and_the_former_leaves():
    its = Process()
    its.render("sd3-a")
    former = its.pool.engine(its.profiles["sd3-a"])
    changed = replace(its.profiles["sd3-a"], timeout_s=1.0)
    assert not its.pool.ready(changed)
    assert its.pool.built(changed) is None
    made = its.pool.engine(changed)
    assert made is not former
    assert former is not None
    assert former.resident_bytes == 0


@pytest.mark.parametrize(("device_gb", "weights_gb"), [(80, 64), (48, 38.4), (24, 18), (8, 2), (4, 0)])
def test_the_budget_leaves_room_for_a_batch(device_gb: float, weights_gb: float):
    assert budget(int(device_gb * GB)) == pytest.approx(weights_gb * GB)
    assert LEAST_RESERVE == 6 * GB


def test_one_that_found_no_room_or_had_nothing_to_do_still_drives_others_out_next_time():
    its = Process()
    profile = its.profiles["sd3-b"]
    assert its.pool.engine(profile) is not None
    its.pool.make_room(profile)
    its.pool.used(profile, rendered=False)  # its weights did not fit, or every request was refused
    assert not its.pool.ready(profile)
    its.render("sd3-a")
    assert its.render("sd3-b") == ("sd3-b",)


def test_an_offloaded_one_holds_nothing_afterwards_and_is_not_taken_for_weightless():
    its = Process()
    its.profiles["simulator"] = replace(its.profiles["simulator"], loading=Loading(offload=Offload.MODEL))
    its.render("simulator")
    assert not its.pool.ready(its.profiles["simulator"])
    its.render("sd3-a")
    assert its.render("simulator") == ()


def test_one_that_sets_text_over_anothers_art_is_ready_while_that_one_is_loaded():
    its = Process()
    its.profiles["typeset"] = replace(its.profiles["typeset"], art="sd3-a")
    its.render("typeset")
    assert its.pool.ready(its.profiles["typeset"])
    its.render("sd3-a")
    assert its.pool.ready(its.profiles["typeset"])
    its.render("sd3-b")
    assert not its.pool.ready(its.profiles["typeset"])
