"""What every scene is drawn with: the palette, light or dark, the prompt's words, a random generator."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from workers.engines.palette import RGB, Palette, mix


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """Arguments of a scene. `rng` is the drawing's own, made from its seed."""

    palette: Palette
    dark: bool
    leave_room: bool
    words: str
    rng: np.random.Generator

    def ground(self) -> RGB:
        """The colour of the sky or backdrop."""
        return self.palette.ink if self.dark else self.palette.paper

    def figure(self) -> RGB:
        """What stands out most against the ground."""
        return self.palette.paper if self.dark else self.palette.ink

    def tone(self, share: float) -> RGB:
        """From the ground (0) to the figure (1)."""
        return mix(self.ground(), self.figure(), share)

    def says(self, pattern: str) -> bool:
        """Whether the prompt has a word that the pattern matches whole."""
        return re.search(rf"\b(?:{pattern})\b", self.words, re.IGNORECASE) is not None

    def pick(self, low: float, high: float) -> float:
        """A number between two."""
        return float(self.rng.uniform(low, high))
