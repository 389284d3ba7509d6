"""How much a letter's ink looks like that letter in fonts: the nearest renderings of it, and a small trained network.

The network sees a letter beside the two renderings that come nearest, from a bank of drawn ones, and says whether
what differs is style or damage. It sees one letter alone and no word, so it cannot read what ought to be there. Bank
and weights lie beside this file with their card; `python -m ops.train_glyphs` made them. It runs in NumPy.
"""

from __future__ import annotations

import importlib.resources
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from workers.checks.glyph_cut import SIDE, Floats, Tile

WEIGHTS: Final = "glyph_weights.npz"
CARD: Final = "glyph_weights.json"
BATCH: Final = 128
"""Letters in one pass: bounds memory to about 20 MB."""
BANKED: Final = 24
"""Side of a rendering in the bank, stretched to fill it, pixels."""
EDGE: Final = 0.15
"""Ink from which a pixel belongs to a letter's bounds."""
SHAPE: Final = 0.5
"""What a difference in proportions by a factor e costs against likeness: a 0 is an O but for them."""
PLANES: Final = 3
NUMBERS: Final = 4


@dataclass(frozen=True, slots=True)
class Bank:
    """Renderings of letters: which letter, which family of type, ink (n, 24, 24) 0 to 1, and log of width by height."""

    letters: Sequence[str]
    families: npt.NDArray[np.int64]
    ink: Floats
    aspects: Floats

    def rows(self) -> Mapping[str, npt.NDArray[np.intp]]:
        """The renderings of each letter."""
        out: dict[str, list[int]] = {}
        for row, letter in enumerate(self.letters):
            out.setdefault(letter, []).append(row)
        return {letter: np.array(rows) for letter, rows in out.items()}


@dataclass(frozen=True, slots=True)
class Filled:
    """A letter's ink within its bounds, stretched to a bank's size; its bounds in its tile, and their proportions."""

    ink: Floats
    left: int
    top: int
    width: int
    height: int

    @property
    def aspect(self) -> float:
        """Log of width by height."""
        return float(np.log(self.width / self.height))


def filled(tile: Tile) -> Filled:
    """A tile's ink, stretched. An empty tile is taken whole."""
    inked = tile > EDGE
    rows, cols = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if not len(rows):
        return Filled(np.zeros((BANKED, BANKED), np.float32), 0, 0, SIDE, SIDE)
    top, left = int(rows[0]), int(cols[0])
    height, width = int(rows[-1]) + 1 - top, int(cols[-1]) + 1 - left
    part = np.ascontiguousarray(tile[top : top + height, left : left + width])
    ink = np.asarray(cv2.resize(part, (BANKED, BANKED), interpolation=cv2.INTER_LINEAR), np.float32)
    return Filled(ink, left, top, width, height)


def _soft(ink: Floats) -> Floats:
    """Blurred and of length 1, so that a product of two is their likeness: (n, 24, 24) to (n, 576)."""
    blurred = [np.asarray(cv2.GaussianBlur(i, (0, 0), 1.2), np.float32).ravel() for i in ink]
    flat = np.stack(blurred) if blurred else np.zeros((0, BANKED * BANKED), np.float32)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


class GlyphNet:
    """Bank and network. Thread-safe: it only reads."""

    def __init__(self, bank: Bank, weights: Mapping[str, Floats]) -> None:
        self._bank, self._weights = bank, weights
        self._rows = bank.rows()
        self._soft = _soft(bank.ink)

    def knows(self, letter: str) -> bool:
        """Whether there are renderings of a letter."""
        return letter in self._rows

    def beside(
        self, tiles: Floats, letters: Sequence[str], without: Sequence[Collection[int]] = ()
    ) -> tuple[Floats, Floats]:
        """Each tile beside its two nearest renderings (n, 32, 32, 3), and four numbers on their likeness.

        `without` names, for each tile, families of type that must not be looked at: in training its own.
        Every letter must be known.
        """
        planes = np.zeros((len(tiles), SIDE, SIDE, PLANES), np.float32)
        numbers = np.zeros((len(tiles), NUMBERS), np.float32)
        stretched = [filled(t) for t in tiles]
        soft = _soft(np.stack([f.ink for f in stretched]))
        for n, (tile, letter, own) in enumerate(zip(tiles, letters, stretched, strict=True)):
            rows = self._rows[letter]
            if without:
                kept = rows[~np.isin(self._bank.families[rows], list(without[n]))]
                rows = kept if len(kept) else rows
            like = self._soft[rows] @ soft[n]
            off = np.abs(self._bank.aspects[rows] - own.aspect)
            order = np.argsort(-(like - SHAPE * np.minimum(off, 1.0)), kind="stable")
            first, second = int(order[0]), int(order[min(1, len(order) - 1)])
            planes[n, :, :, 0] = tile
            for plane, row in ((1, first), (2, second)):
                ink = cv2.resize(self._bank.ink[rows[row]], (own.width, own.height), interpolation=cv2.INTER_LINEAR)
                planes[n, own.top : own.top + own.height, own.left : own.left + own.width, plane] = ink
            numbers[n] = (like[first], like[second], off[first], min(2.0, abs(own.aspect)))
        return planes, numbers

    def health(self, tiles: Floats, letters: Sequence[str]) -> Floats:
        """0 malformed, or another letter, to 1 sound, of each tile (n, 32, 32). Every letter must be known."""
        parts = [
            self._judged(*self.beside(tiles[at : at + BATCH], letters[at : at + BATCH]))
            for at in range(0, len(tiles), BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _judged(self, planes: Floats, numbers: Floats) -> Floats:
        w = self._weights
        x = _convolved(planes, w["first.weight"], w["first.bias"], step=2)
        x = _pooled(_convolved(x, w["second.weight"], w["second.bias"]))
        x = _pooled(_convolved(x, w["third.weight"], w["third.bias"]))
        x = np.concatenate([x.reshape(len(x), -1), numbers], axis=1)
        x = np.maximum(x @ w["mix.weight"] + w["mix.bias"], 0)
        logit = (x @ w["out.weight"] + w["out.bias"])[:, 0]
        return (1 / (1 + np.exp(-np.clip(logit, -30, 30)))).astype(np.float32)


def _convolved(x: Floats, weight: Floats, bias: Floats, step: int = 1) -> Floats:
    """A convolution that keeps the size (over `step`) and its ReLU; x (n, h, w, in), weight (k, k, in, out)."""
    side = weight.shape[0]
    edge = side // 2
    padded = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))[:, ::step, ::step]
    rows = seen.transpose(0, 1, 2, 4, 5, 3).reshape(-1, weight[..., 0].size)
    out = rows @ weight.reshape(-1, weight.shape[3]) + bias
    return np.maximum(out, 0).reshape(*seen.shape[:3], -1)


def _pooled(x: Floats) -> Floats:
    """The greatest of each 2 x 2."""
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


BANK: Final = ("bank.letters", "bank.families", "bank.ink", "bank.aspects")


def loaded(data: bytes) -> GlyphNet:
    """The network of an .npz as ops.train_glyphs writes it."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        bank = Bank(
            letters=[str(c) for c in file["bank.letters"]],
            families=file["bank.families"].astype(np.int64),
            ink=file["bank.ink"].astype(np.float32) / 15,
            aspects=file["bank.aspects"].astype(np.float32),
        )
        weights = {name: file[name].astype(np.float32) for name in list(file) if name not in BANK}
    return GlyphNet(bank, weights)


@cache
def shipped() -> GlyphNet:
    """The network that came with this package."""
    return loaded(importlib.resources.files("workers.checks").joinpath(WEIGHTS).read_bytes())
