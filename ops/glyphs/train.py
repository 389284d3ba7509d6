"""Trains the glyph check on drawn letters: `python -m ops.glyphs.train --seed 7`. Needs torch and the training fonts.

Writes bank, weights and card beside workers/checks/glyph_net.py, or into --out. Letters, faces, damages and order are
functions of the seed; on one machine, with one thread, the same seed gives the same bytes. On another processor sums
round otherwise, and the figures of the card move in their third decimal.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np
import torch
from torch import nn

from ops.glyphs.bank import build
from ops.glyphs.figures import figures
from ops.glyphs.tiles import UNSURE, Tiles, collect
from ops.glyphs.words import HELD_OUT, LETTERS, TRAINED, Type
from workers.checks.glyph_bank import Bank
from workers.checks.glyph_cut import SIDE
from workers.checks.glyph_net import CARD, NUMBERS, PLANES, WEIGHTS, GlyphNet, loaded

LOOK_ALIKES: Final = ("0O", "1l", "1I", "5S", "8B", "2Z", "6G", "6b", "9g", "9q", "0D", "7T", "4A", "3B")
"""Pairs that shape alone tells apart, mostly."""
UNTOLD: Final = frozenset("Il|1\u0399\u0406")
"""In many faces one and the same bar; the last two are Greek and Ukrainian."""
OTHERWISE: Final = 0.04
"""Share of letters that are asked for as their look-alike; the same for any other letter."""
BATCH: Final = 256
CHANNELS: Final = (16, 24, 48)
MIXED: Final = 64
TOLD: Final = 8
"""Numbers that stand for a letter: some letters differ more from face to face than others."""
BLOCK: Final = 2000
"""Lines that are compared with the bank at once: bounds memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What decides the weights."""

    seed: int
    words: int
    epochs: int
    faces: int = len(TRAINED)

    @property
    def types(self) -> tuple[Type, ...]:
        """The faces trained on; fewer than all only to try it out."""
        return TRAINED[: self.faces]


class Net(nn.Module):
    """The network that `GlyphNet` runs."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        one, two, three = CHANNELS
        self.first = nn.Conv2d(PLANES, one, 5, stride=2, padding=2)
        self.second = nn.Conv2d(one, two, 3, padding=1)
        self.third = nn.Conv2d(two, three, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(n) for n in CHANNELS])
        self.letter = nn.Embedding(letters, TOLD)
        nn.init.normal_(self.letter.weight, 0, 0.1)
        self.mix = nn.Linear(three * (SIDE // 8) ** 2 + NUMBERS + TOLD, MIXED)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(MIXED, 1)

    def forward(self, planes: torch.Tensor, numbers: torch.Tensor, letters: torch.Tensor) -> torch.Tensor:
        """Logits of soundness; planes (n, 4, 32, 32), numbers (n, NUMBERS), letters (n,) by their place in the bank."""
        x = torch.relu(self.norms[0](self.first(planes)))
        x = torch.max_pool2d(torch.relu(self.norms[1](self.second(x))), 2)
        x = torch.max_pool2d(torch.relu(self.norms[2](self.third(x))), 2)
        # Channels last, as GlyphNet flattens them.
        x = torch.cat([x.permute(0, 2, 3, 1).flatten(1), numbers, self.letter(letters)], dim=1)
        return self.out(self.drop(torch.relu(self.mix(x))))[:, 0]

    def arrays(self) -> dict[str, Any]:
        """Its weights as `GlyphNet` wants them: channels last, matrices from the left, norms worked in, 16 bits."""
        state = {k: v.detach().double().numpy() for k, v in self.state_dict().items() if not k.startswith("norms")}
        for norm, name in zip(self.norms, ("first", "second", "third"), strict=True):
            of = {k: v.detach().double().numpy() for k, v in norm.state_dict().items()}
            scale = of["weight"] / np.sqrt(of["running_var"] + cast("nn.BatchNorm2d", norm).eps)
            state[f"{name}.weight"] = state[f"{name}.weight"] * scale[:, None, None, None]
            state[f"{name}.bias"] = (state[f"{name}.bias"] - of["running_mean"]) * scale + of["bias"]
        turned = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
        told = state.pop("letter.weight")
        out = {k: np.ascontiguousarray(v.transpose(turned[v.ndim])).astype(np.float16) for k, v in state.items()}
        return {**out, "letter.weight": told.astype(np.float16)}


def asked_for(rng: np.random.Generator, letter: str) -> str:
    """The letter that is asked of a drawing: itself mostly, at times another."""
    chance = rng.random()
    if chance > 2 * OTHERWISE:
        return letter
    others = [p.replace(letter, "") for p in LOOK_ALIKES if letter in p] if chance < OTHERWISE else list(LETTERS)
    other = others[int(rng.integers(len(others)))] if others else letter
    same_shape = other.casefold() == letter.casefold() or {other, letter} <= UNTOLD
    # In another script there are letters of the same shape.
    return letter if same_shape or (ord(other) < 0x370) != (ord(letter) < 0x370) else other


@dataclass(frozen=True, slots=True)
class Lessons:
    """What is learnt: planes as bytes, numbers, letters by their place in the bank, and soundness."""

    planes: torch.Tensor
    numbers: torch.Tensor
    letters: torch.Tensor
    sound: torch.Tensor


def lessons(plan: Plan, tiles: Tiles, bank: Bank) -> Lessons:
    """Each letter beside renderings of families other than its own; those that nobody can be sure of are left out."""
    rng = np.random.default_rng([plan.seed, 98])
    families = [t.family for t in plan.types]
    own = [[n for n, f in enumerate(families) if f == family] for family in families]
    real = [LETTERS[int(n)] for n in tiles.letters]
    asked = [asked_for(rng, letter) for letter in real]
    asked = [a if a in bank.places else r for a, r in zip(asked, real, strict=True)]
    sure = tiles.kinds != UNSURE
    sound = (tiles.kinds == 0) & np.array([a == r for a, r in zip(asked, real, strict=True)])
    net = GlyphNet(bank, {})
    planes = np.zeros((len(real), PLANES, SIDE, SIDE), np.uint8)
    numbers = np.zeros((len(real), NUMBERS), np.float32)
    for first in range(0, plan.words, BLOCK):
        low, high = np.searchsorted(tiles.lines, (first, first + BLOCK))
        at = slice(int(low), int(high))
        some, numbers[at] = net.beside(
            tiles.part(range(first, first + BLOCK)).cuts(asked[at]),
            [int(n) for n in tiles.lines[at]],
            [own[int(f)] for f in tiles.faces[at]],
        )
        planes[at] = np.round(some * 255).transpose(0, 3, 1, 2)
    kit = cast("Any", torch)
    return Lessons(
        planes=kit.from_numpy(planes[sure]),
        numbers=kit.from_numpy(numbers[sure]),
        letters=kit.from_numpy(np.array([bank.places[a] for a in asked], np.int64)[sure]),
        sound=kit.from_numpy(sound.astype(np.float32)[sure]),
    )


def train(plan: Plan, tiles: Tiles, bank: Bank) -> Net:
    """A network trained on letters, from the seed alone."""
    kit = cast("Any", torch)
    kit.manual_seed(plan.seed)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)
    given = lessons(plan, tiles, bank)
    order = np.random.default_rng([plan.seed, 99])
    net = Net(len(bank.letters)).to(memory_format=cast("Any", torch).channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
    batches = max(1, len(given.sound) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=5e-3, total_steps=plan.epochs * batches + 1)
    for epoch in range(plan.epochs):
        total = 0.0
        shuffled = kit.from_numpy(order.permutation(len(given.sound)))
        for n in range(batches):
            at = shuffled[n * BATCH : (n + 1) * BATCH]
            shift = tuple(int(v) for v in order.integers(-1, 2, 2))
            seen = torch.roll(given.planes[at].float() / 255, shift, (2, 3))
            said = net(seen.contiguous(memory_format=kit.channels_last), given.numbers[at], given.letters[at])
            loss = nn.functional.binary_cross_entropy_with_logits(said, given.sound[at])
            optimiser.zero_grad()
            cast("Any", loss).backward()
            cast("Any", optimiser).step()
            schedule.step()
            total += float(loss.detach())
        sys.stderr.write(f"epoch {epoch + 1} of {plan.epochs}: loss {total / batches:.4f}\n")
    return net.eval()


def packed(bank: Bank, weights: Mapping[str, Any]) -> bytes:
    """Bank and weights as an .npz whose bytes depend on nothing else: NumPy's own carries the time of day."""
    arrays = {
        "bank.letters": np.array(list(bank.letters)),
        "bank.rows": bank.rows.astype(np.uint32),
        "bank.faces": bank.face_of.astype(np.uint8),
        "bank.ink": (bank.levels[:, ::2] << 4) | bank.levels[:, 1::2],
        "bank.aspects": bank.aspects.astype(np.float16),
        **weights,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, value in sorted(arrays.items()):
            part = io.BytesIO()
            np.save(part, value, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), part.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


def write(plan: Plan, tiles: Tiles, held_out: Tiles, date: str, out: Path) -> None:
    """Trains, measures what is written, and writes it with its card."""
    bank = build(plan.types)
    data = packed(bank, train(plan, tiles, bank).arrays())
    card = {
        **asdict(plan),
        "date": date,
        "letters_trained_on": len(tiles.ink),
        "renderings": len(bank.levels),
        "faces": {"trained": _named(plan.types), "held_out": _named(HELD_OUT)},
        "sha256": hashlib.sha256(data).hexdigest(),
        "held_out": figures(loaded(data), held_out),
    }
    (out / WEIGHTS).write_bytes(data)
    (out / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _named(types: Sequence[Type]) -> dict[str, list[str]]:
    """The faces of each family: the file, and the weight where it holds several."""
    out: dict[str, list[str]] = {}
    for t in types:
        out.setdefault(t.family, []).append(f"{Path(t.face.file).name}{f' at {t.weight}' if t.weight else ''}")
    return dict(sorted(out.items()))


def main() -> None:
    """Draws, trains, measures on families that were held out, and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--words", type=int, default=6_000, help="lines to train on, about eight letters each")
    parser.add_argument("--held-out", type=int, default=700, help="lines to measure on")
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--faces", type=int, default=len(TRAINED), help="of the faces trained on, the first")
    parser.add_argument("--date", default="", help="written on the card")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "workers" / "checks")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    plan = Plan(seed=given.seed, words=given.words, epochs=given.epochs, faces=given.faces)
    tiles = collect(plan.seed, 0, plan.types, range(plan.words))
    write(plan, tiles, collect(plan.seed, 1, HELD_OUT, range(given.held_out)), given.date, given.out)


if __name__ == "__main__":
    main()
