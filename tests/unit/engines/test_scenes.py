"""Scenes: one prompt and two seeds are two pictures, one seed is one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.renders import NORTHWIND
from tests.unit.rules import samples
from workers.checks.phash import distance, phash
from workers.engines import palette, scenes

COLOURS = palette.from_swatches(NORTHWIND, 0)
PROMPTS = ("three cups of coffee", "an espresso", "a copper kettle", "a bottle", "a mountain", "two friends", "a lake")


def hashed(prompt: str, seed: int, *, leave_room: bool) -> str:
    return phash(np.asarray(scenes.draw(prompt, (256, 320), COLOURS, seed, leave_room=leave_room)))


@pytest.mark.parametrize("leave_room", [False, True])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_another_seed_is_no_near_duplicate(prompt: str, leave_room: bool) -> None:
    seen = [hashed(prompt, seed, leave_room=leave_room) for seed in range(8)]
    least = min(distance(one, two) for one, two in itertools.combinations(seen, 2))
    assert least > samples.ruleset().thresholds["duplicate.bits_max"]
    assert seen[0] == hashed(prompt, 0, leave_room=leave_room)
