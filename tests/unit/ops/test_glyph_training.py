"""The shipped glyph check on families and damage it never saw; and its training, in small."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ops.glyphs.damage import CHANGED, DAMAGES, damaged
from ops.glyphs.figures import auc, figures, healths, interval
from ops.glyphs.tiles import KINDS, UNSURE, Tiles, collect
from ops.glyphs.words import HELD_OUT, LETTERS, SOUND, TRAINED, draw, rendered
from workers.checks.glyph_net import CARD, WEIGHTS, shipped

ROOT = Path(__file__).parents[3]
CARD_FILE = ROOT / "workers" / "checks" / CARD
FRESH_SEED = 1_000_003
"""No seed that was trained on or measured on."""


@cache
def fresh() -> Tiles:
    return collect(FRESH_SEED, 5, HELD_OUT, range(110))


def test_held_out_families_are_not_among_those_trained_on():
    assert not {t.family for t in TRAINED} & {t.family for t in HELD_OUT}
    assert not {t.face for t in TRAINED} & {t.face for t in HELD_OUT}


def test_the_shipped_weights_tell_malformed_from_sound_as_their_card_says():
    stated = json.loads(CARD_FILE.read_text(encoding="utf-8"))["held_out"]["all"]["auc"]
    tiles = fresh()
    health = healths(shipped(), tiles)
    assert auc(health[tiles.kinds == 0], health[tiles.kinds > 0]) > stated - 0.05
    assert stated > 0.9


def test_the_same_seed_draws_the_same_letters_and_another_does_not():
    some, same, other = (collect(seed, 5, HELD_OUT, range(6)) for seed in (4, 4, 5))
    assert np.array_equal(some.ink, same.ink)
    assert np.array_equal(some.kinds, same.kinds)
    assert some.ink.shape != other.ink.shape or not np.array_equal(some.ink, other.ink)


def test_words_by_number_do_not_depend_on_those_before():
    whole, tail = collect(4, 5, HELD_OUT, range(8)), collect(4, 5, HELD_OUT, range(6, 8))
    assert np.array_equal(whole.ink[-len(tail.ink) :], tail.ink)


@pytest.mark.parametrize("kind", list(DAMAGES))
def test_damage_is_seen_and_leaves_a_letter(kind: str):
    rng = np.random.default_rng(11)
    made = 0
    for letter in "RBaegk58":
        ink = rendered(TRAINED[1], letter)
        assert ink is not None
        page = np.pad(ink, 24)
        bad = damaged(rng, page, kind)
        if bad is None:
            continue
        made += 1
        assert bad.shape == page.shape
        share = np.abs(bad.astype(int) - page).sum() / page.sum(dtype=np.int64)
        assert CHANGED[0] <= share <= CHANGED[1]
    assert made >= 4


def test_a_part_of_the_letters_are_those_of_its_lines():
    tiles = collect(4, 5, HELD_OUT, range(5))
    some = tiles.part(range(1, 3))
    assert set(some.lines.tolist()) == {1, 2}
    assert np.array_equal(some.ink, tiles.ink[np.isin(tiles.lines, (1, 2))])
    asked = tiles.cuts(["Q"] * len(tiles.ink))
    assert {c.letter for c in asked} == {"Q"}
    assert set(tiles.kinds.tolist()) <= {UNSURE, *range(len(KINDS))}


def test_words_say_how_each_letter_was_drawn():
    drawn = draw(np.random.default_rng(2), TRAINED[0], "HAMBURG", share=1.0)
    assert len(drawn.kinds) == len(drawn.word.text) == len(drawn.word.centres)
    assert set(drawn.kinds) <= {"", *KINDS}
    sound = draw(np.random.default_rng(2), TRAINED[0], "HAMBURG", share=0.0)
    assert set(sound.kinds) == {SOUND}
    assert "".join(c.letter for c, _ in sound.cuts()) == "HAMBURG"


def test_letters_that_a_face_lacks_are_not_rendered():
    assert rendered(next(t for t in HELD_OUT if t.family == "Bebas Neue"), "Ж") is None
    assert len(set(LETTERS)) == len(LETTERS)


def test_areas_and_their_bounds():
    assert auc([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert auc([0.1], [0.9]) == 0.0
    assert auc([0.5, 0.5], [0.5]) == 0.5
    low, high = interval(0.9, 400, 200)
    # Hanley and McNeil by hand: Q1 = 0.81818, Q2 = 0.85263, variance 0.000227.
    assert (low, high) == (pytest.approx(0.8705, abs=2e-3), pytest.approx(0.9295, abs=2e-3))
    assert interval(1.0, 10, 10) == (1.0, 1.0)


def test_figures_name_every_damage():
    told = figures(shipped(), fresh())
    assert set(told) == {"sound_letters", "all", *DAMAGES}
    assert told["all"]["low"] < told["all"]["auc"] < told["all"]["high"]


@pytest.mark.models
def test_training_in_small_gives_the_same_bytes_twice(tmp_path: Path):
    pytest.importorskip("torch")
    written: list[bytes] = []
    for name in ("first", "second"):
        out = tmp_path / name
        out.mkdir()
        command = [sys.executable, "-m", "ops.glyphs.train", "--seed", "3", "--words", "48", "--held-out", "24"]
        done = subprocess.run(
            [*command, "--epochs", "1", "--faces", "2", "--date", "2026-11-23", "--out", str(out)],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        card = json.loads((out / CARD).read_text(encoding="utf-8"))
        assert (card["seed"], card["words"], card["epochs"]) == (3, 48, 1)
        assert card["held_out"]["all"]["letters"] > 10
        written.append((out / WEIGHTS).read_bytes())
    assert written[0] == written[1]
