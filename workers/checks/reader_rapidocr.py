"""The light reader: plain looks with the models of RapidOCR's wheel, at the picture's scale and at a smaller one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from schemas.events import TextContract, TextLikelihood, TextRead, Word
from workers.checks.boxes import Quad, lying, quads, strip_of
from workers.checks.likelihood import likelihoods
from workers.checks.order import in_reading_order
from workers.checks.port import Pixels, Scene
from workers.checks.text_models import GRID, Heat, Line, TextModels

FIRST: Final = "rapidocr"
"""Name of the first look, from which further ones start."""
DETECT_SIDE: Final = 736
"""Long side at which text is looked for, pixels; letters are then read from the picture itself."""
READ_SIDE: Final = 2000
"""Larger pictures are scaled down to this long side first: it bounds memory and time."""
SECOND_READ_SIDE: Final = 640
"""Of the second look: letters are read at this long side."""
SECOND_DETECT_SIDE: Final = 448
"""Of the second look: smaller than the first's, it finds large and odd lettering, and its reading depends less on what
the first found. On 65 pictures of the tune split it showed damaged text as drawn in 25 of 30 (23 at 640 pixels), as
many sound ones, and took 150 ms (210)."""
MIN_SIDE: Final = 32
"""Smaller pictures hold no text that could be read; the detector's grid is 32 pixels."""
FLAT: Final = 8.0
"""Pictures longer than this many times their height are given more height: the detector finds no text in a ribbon."""
MIN_CONFIDENCE: Final = 0.3
"""Words below are dropped as texture; what stands above is judged by the ruleset."""
MAX_WORDS: Final = 2000
"""What a TextRead holds; a picture with more is noise, and the surest are kept."""
MAX_CHARACTERS: Final = 2000
"""What a Word holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Long sides at which text is looked for and read, pixels, and the mean heat from which a box is read."""

    read_side: int = READ_SIDE
    detect_side: int = DETECT_SIDE
    box_threshold: float = 0.5


PLAIN: Final = Scale()
"""The first look's."""
SECOND: Final = Scale(read_side=SECOND_READ_SIDE, detect_side=SECOND_DETECT_SIDE, box_threshold=0.35)


class RapidOcrReader:
    """One look at one scale. Looks of different scales may share the models."""

    def __init__(self, name: str, models: TextModels, scale: Scale) -> None:
        self._name, self._models, self._scale = name, models, scale

    @property
    def name(self) -> str:
        """Reader and look."""
        return self._name

    def read(self, scenes: Sequence[Scene]) -> Sequence[TextRead]:
        """All pictures through the detector together, then all boxes through the recogniser."""
        started = time.perf_counter()
        words = look(self._models, [s.pixels for s in scenes], self._scale)
        # Time is shared out evenly: nobody can tell the parts of a batch apart.
        each_ms = (time.perf_counter() - started) * 1000 / max(1, len(scenes))
        return [TextRead(reader=self._name, elapsed_ms=each_ms, words=w) for w in words]

    def likelihoods(
        self, pixels: Pixels, contract: TextContract, reads: Sequence[TextRead]
    ) -> tuple[TextLikelihood, ...]:
        """For each phrase that no read shows, where one is like it; boxes in pixels of the picture as given."""
        return likelihoods(self._models, pixels, contract, reads)


def look(models: TextModels, pictures: Sequence[Pixels], scale: Scale = PLAIN) -> list[tuple[Word, ...]]:
    """Words of each picture, in pixels of the picture as given."""
    small = [scaled_down(p, scale.read_side) for p in pictures]
    found = boxes_in(models, small, scale.box_threshold, scale.detect_side)
    lines = iter(models.lines([strip_of(p, q) for p, boxes in zip(small, found, strict=True) for q in boxes]))
    out: list[tuple[Word, ...]] = []
    for picture, scaled, boxes in zip(pictures, small, found, strict=True):
        ratio = np.array(picture.shape[1::-1], np.float32) / np.array(scaled.shape[1::-1], np.float32)
        words = [word_of(next(lines), (lying(quad) * ratio).astype(np.float32), picture.shape[1::-1]) for quad in boxes]
        out.append(surest(words))
    return out


def boxes_in(
    models: TextModels, pictures: Sequence[Pixels], box_threshold: float, side: int = DETECT_SIDE
) -> list[list[Quad]]:
    """Boxes of lines in each picture."""
    readable = [p for p in pictures if min(p.shape[:2]) >= MIN_SIDE]
    given = [_for_detector(p, side) for p in readable]
    heats = iter(zip(readable, given, models.heat([g for g, _ in given]), strict=True))
    out: list[list[Quad]] = []
    for picture in pictures:
        if min(picture.shape[:2]) < MIN_SIDE:
            out.append([])
            continue
        _, (_, rows), heat = next(heats)
        out.append(quads(heat[:rows], box_threshold, (picture.shape[1], picture.shape[0])))
    return out


def heat_of(models: TextModels, picture: Pixels) -> Heat:
    """Where text stands in a picture, as far as the detector can tell; cold where the picture is too small."""
    if min(picture.shape[:2]) < MIN_SIDE:
        return np.zeros(picture.shape[:2], np.float32)
    given, rows = _for_detector(picture, DETECT_SIDE)
    return models.heat([given])[0][:rows]


def _for_detector(picture: Pixels, side: int) -> tuple[Pixels, int]:
    """The picture at a size that the detector takes, and how many of its rows are picture."""
    height, width = picture.shape[:2]
    ratio = min(1.0, side / max(height, width))
    columns, rows = (max(GRID, round(v * ratio / GRID) * GRID) for v in (width, height))
    scaled = cv2.resize(picture, (columns, rows)).astype(np.uint8)
    if columns <= FLAT * rows:
        return scaled, rows
    return np.pad(scaled, ((0, rows), (0, 0), (0, 0)), mode="edge"), rows


def word_of(line: Line, box: Quad, size: Sequence[int]) -> Word | None:
    """A word in a picture of `size` (width, height), or None where nothing could be read."""
    if not line.text or line.confidence < MIN_CONFIDENCE:
        return None
    inside = np.clip(box, 0, np.array(size[:2], np.float32))
    return Word(
        text=line.text[:MAX_CHARACTERS],
        confidence=line.confidence,
        box=tuple(float(v) for v in inside.ravel()),
        centres=line.centres[:MAX_CHARACTERS],
        confidences=line.confidences[:MAX_CHARACTERS],
    )


def surest(words: Sequence[Word | None]) -> tuple[Word, ...]:
    """Those that were read, in reading order, at most MAX_WORDS."""
    kept = sorted((w for w in words if w is not None), key=lambda w: -w.confidence)
    return in_reading_order(kept[:MAX_WORDS])


def scaled_down(pixels: Pixels, side: int) -> Pixels:
    """The picture with a long side of at most `side` pixels; as it is where it is smaller."""
    height, width = pixels.shape[:2]
    ratio = side / max(height, width)
    if ratio >= 1:
        return pixels
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def open_rapidocr(models: TextModels) -> RapidOcrReader:
    """The first look: letters read at up to 2000 pixels."""
    return RapidOcrReader(FIRST, models, PLAIN)


def open_rapidocr_640(models: TextModels) -> RapidOcrReader:
    """The second look: letters read at 640 pixels, from boxes found at fewer, with a lower box threshold."""
    return RapidOcrReader("rapidocr@640", models, SECOND)
