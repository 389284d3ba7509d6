"""How much a letter's ink looks like that letter in fonts: the nearest renderings of it, and a small trained network.

The network sees a letter beside three others: the rendering that comes nearest to it, the one in the face that the
whole line comes nearest to, and the same letter elsewhere in the line. It says whether what differs is style or
damage. It sees shapes and no words, so it cannot read what ought to be there. Bank and weights lie beside this file
with their card; `python -m ops.glyphs.train` made them. It runs in NumPy.
"""

from __future__ import annotations

import importlib.resources
import io
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Final

import cv2
import numpy as np

from workers.checks.glyph_bank import LEVELS, Bank, Filled, filled, soft
from workers.checks.glyph_cut import SIDE, Cut
from workers.checks.glyph_strip import Floats

WEIGHTS: Final = "glyph_weights.npz"
CARD: Final = "glyph_weights.json"
BATCH: Final = 128
"""Letters that go through the network at once: bounds memory to about 20 MB."""
SHAPE: Final = 0.5
"""What a difference in proportions by a factor e costs against likeness: a 0 is an O but for them."""
COMPANY: Final = 2.0
"""Weight of the other letters' likeness to a face against the letter's own, where the line's face is looked for."""
MOST_COMPANY: Final = 40
"""Letters of a line that are asked for its face and for the same letter, the first."""
PLANES: Final = 4
NUMBERS: Final = 11


class GlyphNet:
    """Bank and network. Thread-safe: it only reads, but for a memory of renderings."""

    def __init__(self, bank: Bank, weights: Mapping[str, Floats]) -> None:
        self._bank, self._weights = bank, weights

    def knows(self, letter: str) -> bool:
        """Whether there are renderings of a letter."""
        return letter in self._bank.places

    def beside(
        self, cuts: Sequence[Cut], lines: Sequence[int], without: Sequence[Collection[int]] = ()
    ) -> tuple[Floats, Floats]:
        """Each letter beside its three others (n, 32, 32, 4), and NUMBERS numbers on their likeness.

        `lines` says which letters stand in one line. `without` names, for each letter, faces that must not be looked
        at: in training those of its own family. Every letter must be known.
        """
        planes = np.zeros((len(cuts), SIDE, SIDE, PLANES), np.float32)
        numbers = np.zeros((len(cuts), NUMBERS), np.float32)
        places: dict[int, list[int]] = {}
        for n, line in enumerate(lines):
            places.setdefault(line, []).append(n)
        for line in places.values():
            for at in range(0, len(line), MOST_COMPANY):
                some = line[at : at + MOST_COMPANY]
                shut = [without[n] for n in some] if without else ()
                planes[some], numbers[some] = self._line([cuts[n] for n in some], shut)
        return planes, numbers

    def _line(self, cuts: Sequence[Cut], without: Sequence[Collection[int]]) -> tuple[Floats, Floats]:
        own = [filled(c.tile) for c in cuts]
        flat = soft(np.stack([f.ink for f in own]))
        like, off = self.likeness([c.letter for c in cuts], own, flat)
        for n, shut in enumerate(without):
            like[n, list(shut)] = -1.0
        score = like - SHAPE * np.minimum(off, 1.0)
        # A letter that ran into another says little of the face.
        clear = np.array([0.2 if c.joined or c.crowded else 1.0 for c in cuts], np.float32)
        total = clear @ score
        planes = np.zeros((len(cuts), SIDE, SIDE, PLANES), np.float32)
        numbers = np.zeros((len(cuts), NUMBERS), np.float32)
        twins = flat @ flat.T
        for n, (cut, f) in enumerate(zip(cuts, own, strict=True)):
            others = max(1e-6, float(clear.sum() - clear[n]))
            company = (total - clear[n] * score[n]) / others if len(cuts) > 1 else np.zeros_like(total)
            first = int(score[n].argmax())
            styled = np.where(like[n] > -1, score[n] + COMPANY * company, -np.inf)
            second = int(styled.argmax())
            planes[n, :, :, 0] = cut.tile
            self._put(planes[n, :, :, 1], f, self._bank.ink(cut.letter, first))
            self._put(planes[n, :, :, 2], f, self._bank.ink(cut.letter, second))
            same = [m for m, c in enumerate(cuts) if m != n and c.letter == cut.letter]
            twin = same[int(twins[n, same].argmax())] if same else None
            if twin is not None:
                self._put(planes[n, :, :, 3], f, own[twin].ink)
            numbers[n] = (
                like[n, first],
                off[n, first],
                like[n, second],
                min(2.0, off[n, second]),
                company[second],
                score[n, second] - company[second],
                min(2.0, abs(f.aspect)),
                0.0 if twin is None else float(twins[n, twin]),
                float(cut.joined),
                float(np.clip(np.log2(cut.height_px / 32), -2, 2)),
                min(1.0, len(cuts) / 10),
            )
        return planes, numbers

    def likeness(self, letters: Sequence[str], own: Sequence[Filled], flat: Floats) -> tuple[Floats, Floats]:
        """Of each letter to it in each face, how far their log aspects lie apart; -1 and 2 where a face lacks it.

        Both (n, faces). `own` and `flat` are the letters' ink, the latter softened; every letter must be known.
        """
        like = np.full((len(letters), self._bank.faces), -1.0, np.float32)
        off = np.full((len(letters), self._bank.faces), 2.0, np.float32)
        for n, letter in enumerate(letters):
            shapes = self._bank.of(letter)
            like[n, shapes.faces] = shapes.soft @ flat[n]
            off[n, shapes.faces] = np.abs(shapes.aspects - own[n].aspect)
        return like, off

    def _put(self, plane: Floats, own: Filled, ink: Floats) -> None:
        """Ink stretched over a letter's bounds."""
        there = plane[own.top : own.top + own.height, own.left : own.left + own.width]
        there[:] = cv2.resize(ink, (own.width, own.height), interpolation=cv2.INTER_LINEAR)

    def health(self, cuts: Sequence[Cut], lines: Sequence[int]) -> Floats:
        """0 malformed, or another letter, to 1 sound, of each letter. Every letter must be known."""
        if not cuts:
            return np.zeros(0, np.float32)
        planes, numbers = self.beside(cuts, lines)
        rows = np.array([self._bank.places[c.letter] for c in cuts])
        parts = [
            self._judged(planes[at : at + BATCH], numbers[at : at + BATCH], rows[at : at + BATCH])
            for at in range(0, len(cuts), BATCH)
        ]
        return np.concatenate(parts)

    def _judged(self, planes: Floats, numbers: Floats, letters: np.typing.NDArray[np.intp]) -> Floats:
        w = self._weights
        x = _convolved(planes, w["first.weight"], w["first.bias"], step=2)
        x = _pooled(_convolved(x, w["second.weight"], w["second.bias"]))
        x = _pooled(_convolved(x, w["third.weight"], w["third.bias"]))
        x = np.concatenate([x.reshape(len(x), -1), numbers, w["letter.weight"][letters]], axis=1)
        x = np.maximum(x @ w["mix.weight"] + w["mix.bias"], 0)
        logit = (x @ w["out.weight"] + w["out.bias"])[:, 0]
        return (1 / (1 + np.exp(-np.clip(logit, -30, 30)))).astype(np.float32)


def _convolved(x: Floats, weight: Floats, bias: Floats, step: int = 1) -> Floats:
    """A convolution that keeps the size (over `step`) and its ReLU; x (n, h, w, in), weight (k, k, in, out)."""
    side = weight.shape[0]
    edge = side // 2
    padded = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    height, width = -(-x.shape[1] // step), -(-x.shape[2] // step)
    out = np.tile(bias, (len(x) * height * width, 1))
    # Row by row of the kernel: a third of the memory, and products large enough to be fast.
    for dy in range(side):
        seen = [padded[:, dy : dy + x.shape[1] : step, dx : dx + x.shape[2] : step] for dx in range(side)]
        out += np.concatenate(seen, axis=3).reshape(len(out), -1) @ weight[dy].reshape(-1, weight.shape[3])
    return np.maximum(out, 0, out=out).reshape(len(x), height, width, -1)


def _pooled(x: Floats) -> Floats:
    """The greatest of each 2 x 2."""
    return np.maximum(np.maximum(x[:, ::2, ::2], x[:, 1::2, ::2]), np.maximum(x[:, ::2, 1::2], x[:, 1::2, 1::2]))


BANK: Final = ("bank.letters", "bank.rows", "bank.faces", "bank.ink", "bank.aspects")


def loaded(data: bytes) -> GlyphNet:
    """The network of an .npz as ops.glyphs.train writes it."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        packed = file["bank.ink"]
        ink = np.stack([packed >> 4, packed & LEVELS], axis=-1).reshape(len(packed), -1)
        bank = Bank(
            letters=[str(c) for c in file["bank.letters"]],
            rows=file["bank.rows"].astype(np.int64),
            face_of=file["bank.faces"].astype(np.int64),
            levels=ink,
            aspects=file["bank.aspects"].astype(np.float32),
        )
        weights = {name: file[name].astype(np.float32) for name in list(file) if name not in BANK}
    return GlyphNet(bank, weights)


@cache
def shipped() -> GlyphNet:
    """The network that came with this package."""
    return loaded(importlib.resources.files("workers.checks").joinpath(WEIGHTS).read_bytes())
