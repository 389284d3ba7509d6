"""Which box is read after which: along lines, and round corners where boxes lie on an arc, on a ring or on a slope."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.events import Word

TALL: Final = 1.5
"""From this ratio of height to width a box of several letters is read downwards: text recognisers turn it so."""
UPRIGHT: Final = math.radians(15)
"""Tilt up to which boxes are left in the order in which the reader gave them."""
ALIKE: Final = math.radians(20)
"""Tilts that differ by less belong to one block of text."""
BEND: Final = math.radians(90)
"""Most that a baseline turns from one box to the next along a curve."""
REACH: Final = 2.0
"""Farthest that the next box of a baseline begins, in heights of the lower box: a wide blank, or a mark between."""
BACK: Final = 0.6
"""How far it may begin before the former ends, in the same heights: detectors grow their boxes."""
SIZES: Final = 2.2
"""Most that the heights of boxes on one baseline differ, as a ratio."""
FARTHEST: Final = 1e6
"""Pixels beyond which a corner is no place."""
BOXES_MAX: Final = 300
"""With more boxes than this only the order of the reader counts: it is texture, or a page."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Where the text of one box runs: from and to, through the middle, and how tall it is, pixels.

    `tilt` is its direction in radians, clockwise from rightwards.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    height: float
    tilt: float

    @property
    def length(self) -> float:
        """From its beginning to its end."""
        return math.hypot(self.x1 - self.x0, self.y1 - self.y0)

    def seen_from(self, x: float, y: float) -> tuple[float, float]:
        """How far along and how far below a point lies, from the beginning of this one."""
        dx, dy = x - self.x0, y - self.y0
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        return dx * cos + dy * sin, dy * cos - dx * sin


NOWHERE: Final = Baseline(0, 0, 0, 0, 0, 0)


def baseline(word: Word) -> Baseline:
    """The line through the middle of a box, in reading direction; NOWHERE for a box that is no place."""
    if not all(abs(v) <= FARTHEST for v in word.box):
        return NOWHERE
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners(word)
    x0, y0, x1, y1 = (ax + dx) / 2, (ay + dy) / 2, (bx + cx) / 2, (by + cy) / 2
    height = _side(dx - ax + cx - bx, dy - ay + cy - by)
    return Baseline(x0, y0, x1, y1, height, math.atan2(y1 - y0, x1 - x0))


def corners(word: Word) -> tuple[tuple[float, float], ...]:
    """The corners of a box clockwise, from where its text begins, above it."""
    xs, ys = word.box[0::2], word.box[1::2]
    points = tuple(zip(xs, ys, strict=True))
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
    width, height = _side(bx - ax + cx - dx, by - ay + cy - dy), _side(dx - ax + cx - bx, dy - ay + cy - by)
    if height >= TALL * width and len(word.text.strip()) > 1:
        # Read downwards: what is right of it in the picture is above its letters.
        return points[1:] + points[:1]
    return points


def _side(x2: float, y2: float) -> float:
    return math.hypot(x2, y2) / 2


class Order:
    """The order in which the boxes of one reading may be read.

    `words` are the boxes of a line, an arc or a ring one after another, and otherwise as the reader gave them. `rings`
    are stretches of them, from and to, whose last box is followed by its first.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        self._lines = [baseline(w) for w in words]
        nexts = self._nexts() if len(words) <= BOXES_MAX else {}
        chains = _chains(len(words), nexts)
        order = [i for chain, _ in chains for i in chain]
        self.words = tuple(words[i] for i in order)
        self._lines = [self._lines[i] for i in order]
        place = {i: at for at, i in enumerate(order)}
        self._next = {place[a]: place[b] for a, b in nexts.items()}
        self.rings: list[tuple[int, int]] = []
        at = 0
        for chain, closed in chains:
            if closed:
                self.rings.append((at, at + len(chain)))
            at += len(chain)

    def next_to(self, box: int) -> int | None:
        """The box that goes on where this one ends, on its own line, arc or ring."""
        return self._next.get(box)

    def follows(self, a: int, b: int) -> bool:
        """Whether box `b` may be read after box `a`, beside it or farther down."""
        if self._next.get(a) == b:
            return True
        one, other = self._lines[a], self._lines[b]
        if abs(one.tilt) > UPRIGHT and _turn(one.tilt, other.tilt) <= ALIKE:
            along, below = one.seen_from((other.x0 + other.x1) / 2, (other.y0 + other.y1) / 2)
            return below > one.height / 2 or (below > -one.height / 2 and along > one.length / 2)
        return b > a

    def _nexts(self) -> dict[int, int]:
        """For each box the one that goes on where it ends; each is the next of one other at most."""
        pairs: list[tuple[float, int, int]] = []
        for a, one in enumerate(self._lines):
            for b, other in enumerate(self._lines):
                distance = _joint(one, other) if a != b else None
                if distance is not None:
                    pairs.append((distance, a, b))
        out: dict[int, int] = {}
        taken: set[int] = set()
        for _, a, b in sorted(pairs):
            if a not in out and b not in taken:
                out[a] = b
                taken.add(b)
        return out


def _joint(one: Baseline, other: Baseline) -> float | None:
    """How far `other` begins from where `one` ends, in heights; None where it does not go on there."""
    low, high = sorted((one.height, other.height))
    if low <= 0 or high > SIZES * low or _turn(one.tilt, other.tilt) > BEND:
        return None
    dx, dy = other.x0 - one.x1, other.y0 - one.y1
    far = math.hypot(dx, dy) / low
    middle = one.tilt + _signed(other.tilt - one.tilt) / 2
    ahead = (dx * math.cos(middle) + dy * math.sin(middle)) / low
    beside = abs(dy * math.cos(middle) - dx * math.sin(middle)) / low
    # A box that begins beside the other's own middle lies under it or over it, not behind it.
    if far > REACH or ahead < -BACK or ahead < -min(one.length, other.length) / low / 2 or beside > max(0.5, far * 0.6):
        return None
    return far


def _signed(angle: float) -> float:
    return math.remainder(angle, math.tau)


def _turn(a: float, b: float) -> float:
    return abs(_signed(b - a))


def _chains(count: int, nexts: dict[int, int]) -> list[tuple[list[int], bool]]:
    """The boxes as chains along `nexts`, each from its first box, or from any where it closes; and whether it does."""
    behind = set(nexts.values())
    out: list[tuple[list[int], bool]] = []
    seen: set[int] = set()
    for start in [i for i in range(count) if i not in behind] + list(range(count)):
        if start in seen:
            continue
        chain = [start]
        while (after := nexts.get(chain[-1])) is not None and after != start:
            chain.append(after)
        seen.update(chain)
        out.append((chain, nexts.get(chain[-1]) == start))
    # As the reader gave them, by the first box of each.
    return sorted(out, key=lambda c: min(c[0]))
