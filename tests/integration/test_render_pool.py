"""Two real pipelines share room for one, or for both: who is loaded when, and that swapping changes no picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rules.engines import EngineProfile
from schemas.events import RenderRequest
from workers.engines.pool import Pool
from workers.engines.port import Engine, Rendered

pytest.importorskip("diffusers")
pytestmark = pytest.mark.models

from tests import sd3_tiny  # noqa: E402  # only where the extras are installed
from tests.sd3_tiny import ask  # noqa: E402
from workers.engines import sd3  # noqa: E402

ONE, OTHER = (replace(sd3_tiny.profile(), id=name) for name in ("sd3-one", "sd3-other"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sd3_tiny.build(tmp_path_factory.mktemp("pool"))


class Process:
    """A pool over two pipelines, with room for so many of them."""

    def __init__(self, folder: Path, engines: int) -> None:
        self.loads: list[str] = []

        def build(profile: EngineProfile) -> Engine:
            self.loads.append(profile.id)
            return sd3.load(profile, folder, "cpu")

        measuring = sd3.load(ONE, folder, "cpu")
        measuring.render([ask()], {})
        self.bytes = measuring.resident_bytes
        assert self.bytes > 0
        room = engines * self.bytes
        self.pool = Pool(build=build, serves=frozenset({ONE.id, OTHER.id}), budget_bytes=lambda: room)

    def render(self, profile: EngineProfile, requests: Sequence[RenderRequest]) -> bytes:
        engine = self.pool.engine(profile)
        assert engine is not None
        self.pool.make_room(profile)
        (made,) = engine.render(requests, {})
        self.pool.used(profile)
        assert isinstance(made, Rendered)
        return made.encoded()


def test_with_room_for_one_they_swap_and_give_the_same_pictures(folder: Path) -> None:
    its = Process(folder, 1)
    request = [ask("a cup", 3)]
    first = its.render(ONE, request)
    assert (its.pool.resident, its.pool.ready(ONE), its.pool.ready(OTHER)) == ((ONE.id,), True, False)
    its.render(OTHER, request)
    assert (its.pool.resident, its.pool.ready(ONE), its.pool.ready(OTHER)) == ((OTHER.id,), False, True)
    assert its.render(ONE, request) == first
    assert its.pool.resident == (ONE.id,)
    assert its.loads == [ONE.id, OTHER.id]  # from disk once each


def test_with_room_for_both_they_stay_once_their_sizes_are_known(folder: Path) -> None:
    its = Process(folder, 2)
    request = [ask("a cup", 3)]
    for profile in (ONE, OTHER, ONE, OTHER):
        its.render(profile, request)
    assert its.pool.resident == (OTHER.id, ONE.id)
    assert its.pool.ready(ONE)
    assert its.pool.ready(OTHER)
