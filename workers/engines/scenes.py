"""Text-free art: screen-print scenes chosen by the words of a prompt, varied by a seed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from workers.engines import landscapes, still_life
from workers.engines.canvas import Canvas
from workers.engines.mood import Mood
from workers.engines.palette import Palette

Scene = Callable[[Canvas, Mood], None]

NEAREST: Final = 1.35
"""How much larger a scene is drawn at most than it is laid out."""
_DARK: Final = re.compile(r"\b(night|stars?|dark|evening|storm|moon|slate|black|late)\b", re.IGNORECASE)

# The first scene that a prompt has a word of wins, so the narrow ones stand first.
_WORDS: Final[tuple[tuple[Scene, str], ...]] = (
    (landscapes.contours, "contour topographic abstract map lines"),
    (still_life.shapes, "bauhaus geometric pattern isometric loyalty gift"),
    (
        landscapes.people,
        "portrait friend friends barista family people hiker climber runner runners hands woman man crowd team person",
    ),
    (still_life.leaves, "leaves leaf branches plant plants pumpkin garden floral flower flowers lettering"),
    (landscapes.sea, "wave waves sea harbour harbor lake lighthouse boat ocean beach island coast"),
    (
        landscapes.mountains,
        "mountain mountains ridge tent snow ski skis pine forest valley hut trail avalanche alpine summit peak outdoor",
    ),
    (still_life.cup, "cup cups coffee espresso cappuccino croissant tea mug breakfast latte crema"),
    (
        still_life.vessel,
        "bottle jug kettle thermos jacket boots hat bag product pot dripper jar perfume torch patch sign pears studio",
    ),
)
_ANY: Final[tuple[Scene, ...]] = (
    still_life.shapes, landscapes.mountains, still_life.leaves, landscapes.contours, still_life.vessel,
)  # fmt: skip


def draw(prompt: str, size: tuple[int, int], palette: Palette, seed: int, *, leave_room: bool = False) -> Image.Image:
    """The scene a prompt names, RGB, in a size (width, height; pixels); the same arguments give the same pixels.

    With `leave_room` the upper part stays calm for text or a logo. Another seed shows the scene from elsewhere: nearer
    or farther, moved, half of the time mirrored, so that two jobs of one prompt do not get the same picture.
    """
    mood = Mood(
        palette=palette,
        dark=_DARK.search(prompt) is not None,
        leave_room=leave_room,
        words=prompt,
        rng=np.random.default_rng(seed),
    )
    view = np.random.default_rng([seed, 1])  # apart from the scene's own, which draws as it did
    zoom, across, down = view.uniform(1.0, NEAREST), view.uniform(), view.uniform(0.0, 0.5 if leave_room else 1.0)
    canvas = Canvas(*size, mood.ground(), zoom=float(zoom), across=float(across), down=float(down))
    choose(prompt, seed)(canvas, mood)
    seen = canvas.finish()
    return ImageOps.mirror(seen) if view.uniform() < 0.5 else seen


def choose(prompt: str, seed: int) -> Scene:
    """The scene for a prompt; one by seed where no word names any."""
    words = set(re.findall(r"[a-z]+", prompt.lower()))
    for scene, known in _WORDS:
        if not words.isdisjoint(known.split()):
            return scene
    return _ANY[seed % len(_ANY)]
