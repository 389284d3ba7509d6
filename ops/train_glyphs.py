"""Trains the glyph check on drawn letters: `python -m ops.train_glyphs --seed 7`. Needs torch and the training fonts.

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
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np
import torch
from torch import nn

from ops.glyph_bank import LEVELS, build
from ops.glyph_figures import figures
from ops.glyph_tiles import Tiles, collect
from ops.glyph_words import HELD_OUT, LETTERS, TRAINED, Type
from workers.checks.glyph_cut import SIDE
from workers.checks.glyph_net import CARD, NUMBERS, PLANES, WEIGHTS, Bank, GlyphNet, loaded

LOOK_ALIKES: Final = ("0O", "1l", "1I", "5S", "8B", "2Z", "6G", "6b", "9g", "9q", "0D", "7T", "4A", "3B")
"""Pairs that shape alone tells apart, mostly."""
UNTOLD: Final = frozenset("Il|1\u0399\u0406")
"""In many faces one and the same bar; the last two are Greek and Ukrainian."""
OTHERWISE: Final = 0.07
"""Share of letters that are asked for as their look-alike; the same for any other letter."""
BATCH: Final = 256
CHANNELS: Final = (12, 24, 48)
MIXED: Final = 64


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

    def __init__(self) -> None:
        super().__init__()
        one, two, three = CHANNELS
        self.first = nn.Conv2d(PLANES, one, 5, stride=2, padding=2)
        self.second = nn.Conv2d(one, two, 3, padding=1)
        self.third = nn.Conv2d(two, three, 3, padding=1)
        self.mix = nn.Linear(three * (SIDE // 8) ** 2 + NUMBERS, MIXED)
        self.out = nn.Linear(MIXED, 1)

    def forward(self, planes: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Logits of soundness; planes (n, 3, 32, 32), numbers (n, 4)."""
        x = torch.relu(self.first(planes))
        x = torch.max_pool2d(torch.relu(self.second(x)), 2)
        x = torch.max_pool2d(torch.relu(self.third(x)), 2)
        # Channels last, as GlyphNet flattens them.
        x = torch.cat([x.permute(0, 2, 3, 1).flatten(1), numbers], dim=1)
        return self.out(torch.relu(self.mix(x)))[:, 0]

    def arrays(self) -> dict[str, Any]:
        """Its weights as `GlyphNet` wants them: channels last, matrices from the left, half precision."""
        turned = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
        state = {k: v.detach().numpy() for k, v in self.state_dict().items()}
        return {k: np.ascontiguousarray(v.transpose(turned[v.ndim])).astype(np.float16) for k, v in state.items()}


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


def lessons(plan: Plan, tiles: Tiles, bank: Bank) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Planes as bytes, numbers and soundness; each letter beside renderings of families other than its own."""
    rng = np.random.default_rng([plan.seed, 98])
    families = sorted({t.family for t in plan.types})
    real = [LETTERS[int(n)] for n in tiles.letters]
    asked = [asked_for(rng, letter) for letter in real]
    own = [[families.index(plan.types[int(f)].family)] for f in tiles.faces]
    sound = (tiles.kinds == 0) & np.array([a == r for a, r in zip(asked, real, strict=True)])
    net = GlyphNet(bank, {})
    planes = np.zeros((len(real), PLANES, SIDE, SIDE), np.uint8)
    numbers = np.zeros((len(real), NUMBERS), np.float32)
    for at in range(0, len(real), BATCH):
        part = slice(at, at + BATCH)
        some, numbers[part] = net.beside(
            np.asarray(tiles.ink[part].astype(np.float32) / 255, np.float32), asked[part], own[part]
        )
        planes[part] = np.round(some * 255).transpose(0, 3, 1, 2)
    kit = cast("Any", torch)
    return kit.from_numpy(planes), kit.from_numpy(numbers), kit.from_numpy(sound.astype(np.float32))


def train(plan: Plan, tiles: Tiles, bank: Bank) -> Net:
    """A network trained on letters, from the seed alone."""
    kit = cast("Any", torch)
    kit.manual_seed(plan.seed)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)
    planes, numbers, sound = lessons(plan, tiles, bank)
    order = np.random.default_rng([plan.seed, 99])
    net = Net()
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-3)
    batches = max(1, len(sound) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=5e-3, total_steps=plan.epochs * batches + 1)
    for epoch in range(plan.epochs):
        total = 0.0
        shuffled = kit.from_numpy(order.permutation(len(sound)))
        for n in range(batches):
            at = shuffled[n * BATCH : (n + 1) * BATCH]
            shift = tuple(int(v) for v in order.integers(-1, 2, 2))
            seen = torch.roll(planes[at].float() / 255, shift, (2, 3))
            loss = nn.functional.binary_cross_entropy_with_logits(net(seen, numbers[at]), sound[at])
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
        "bank.families": bank.families.astype(np.uint8),
        "bank.ink": np.round(bank.ink * LEVELS).astype(np.uint8),
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
        "renderings": len(bank.letters),
        "families": sorted({t.family for t in plan.types}),
        "families_held_out": sorted({t.family for t in HELD_OUT}),
        "sha256": hashlib.sha256(data).hexdigest(),
        "held_out": figures(loaded(data), held_out),
    }
    (out / WEIGHTS).write_bytes(data)
    (out / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Draws, trains, measures on families that were held out, and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--words", type=int, default=22_000, help="words to train on, about four letters each")
    parser.add_argument("--held-out", type=int, default=1_500, help="words to measure on")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--faces", type=int, default=len(TRAINED), help="of the faces trained on, the first")
    parser.add_argument("--date", default="", help="written on the card")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "workers" / "checks")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    plan = Plan(seed=given.seed, words=given.words, epochs=given.epochs, faces=given.faces)
    tiles = collect(plan.seed, 0, plan.types, range(plan.words))
    write(plan, tiles, collect(plan.seed, 1, HELD_OUT, range(given.held_out)), given.date, given.out)


if __name__ == "__main__":
    main()
