"""The drawn corpus: the same pictures from the same seeds, and damaged twins that are damaged in what they say."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ops.bench import corpus_faces, corpus_inks, corpus_looks, corpus_malformed, corpus_words
from ops.bench.corpus import ORDER, Sample, sample
from ops.bench.corpus_kinds import DECORATED_KINDS, ONE_LETTER, OTHER_SCRIPTS, PLAIN_KINDS, Damage, Kind, Split
from ops.bench.corpus_letters import line_of, on_line, raster, style
from ops.bench.corpus_words import Script
from rules.folding import Fold, fold
from workers.engines import fonts, palette

ROOT = Path(__file__).parents[3]
ONCE_ROUND = range(2 * len(ORDER))
SMALL = (512, 512)
DRAW = """
import hashlib, json
from ops.bench.corpus import sample
from ops.bench.corpus_kinds import Split
drawn = [sample(Split.HOLDOUT, i) for i in (0, 25, 34, 43)]
print(json.dumps([[hashlib.sha256(d.pixels.tobytes()).hexdigest(), *d.shown] for d in drawn]))
"""


def digest(drawn: Sample) -> str:
    return hashlib.sha256(drawn.pixels.tobytes()).hexdigest()


def test_another_process_draws_the_same_pictures():
    done = subprocess.run(
        [sys.executable, "-c", DRAW], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    here = [sample(Split.HOLDOUT, i) for i in (0, 25, 34, 43)]
    assert json.loads(done.stdout) == [[digest(d), *d.shown] for d in here]


def test_a_picture_does_not_depend_on_which_were_drawn_before():
    alone = digest(sample(Split.TUNE, 7, SMALL))
    sample(Split.TUNE, 3, SMALL)
    assert digest(sample(Split.TUNE, 7, SMALL)) == alone


@pytest.mark.parametrize("number", range(len(ORDER)))
def test_a_damaged_twin_differs_from_its_sound_one_and_asks_for_the_same(number: int):
    sound, twin = sample(Split.TUNE, 2 * number), sample(Split.TUNE, 2 * number + 1)
    assert sound.damage is None
    assert twin.damage is not None
    assert sound.kind is twin.kind
    assert sound.expected == twin.expected == sound.shown
    assert sound.pixels.shape == twin.pixels.shape
    assert not np.array_equal(sound.pixels, twin.pixels)
    assert (twin.shown == twin.expected) == (twin.damage is Damage.MALFORMED)


@pytest.mark.parametrize("index", ONCE_ROUND)
def test_every_phrase_has_a_box_inside_the_picture(index: int):
    drawn = sample(Split.HOLDOUT, index)
    height, width, channels = drawn.pixels.shape
    assert channels == 3
    assert len(drawn.boxes) == len(drawn.shown)
    for left, top, right, bottom in drawn.boxes:
        assert 0 < left < right < width
        assert 0 < top < bottom < height


def test_splits_share_no_picture():
    tune, holdout = ({digest(sample(split, i, (128, 128))) for i in range(60)} for split in Split)
    assert len(tune) > 55  # grounds without text may be alike
    assert not tune & holdout


def test_a_short_run_has_every_kind_and_every_damage():
    drawn = [sample(Split.TUNE, i, (128, 128)) for i in ONCE_ROUND]
    assert {d.kind for d in drawn} == set(Kind)
    assert {d.damage for d in drawn} == {None, *Damage}


def test_a_picture_without_text_says_nothing_and_its_twin_says_something():
    number = ORDER.index(Kind.NO_TEXT)
    sound, twin = sample(Split.TUNE, 2 * number, SMALL), sample(Split.TUNE, 2 * number + 1, SMALL)
    assert (sound.expected, sound.shown, sound.boxes) == ((), (), ())
    assert (twin.expected, len(twin.shown)) == ((), 1)


def test_each_kind_counts_in_one_group():
    assert PLAIN_KINDS | DECORATED_KINDS | OTHER_SCRIPTS | {Kind.NO_TEXT} == set(Kind)
    assert not PLAIN_KINDS & DECORATED_KINDS
    assert not ONE_LETTER & {Damage.LOOK_ALIKE, Damage.MALFORMED}


@pytest.mark.parametrize("script", Script)
@pytest.mark.parametrize("seed", range(12))
def test_spelling_damage_changes_letters_that_people_tell_apart(script: Script, seed: int):
    rng = np.random.default_rng(seed)
    text = corpus_words.phrases(rng, script, 3)[0]
    for spoil in (
        corpus_words.wrong_letter,
        corpus_words.dropped_letter,
        corpus_words.doubled_letter,
        corpus_words.swapped_letters,
    ):
        bad = spoil(rng, text, script)
        assert fold(bad, Fold.LOOK) != fold(text, Fold.LOOK)
        assert abs(len(bad) - len(text)) <= 1


def test_a_letter_for_a_digit_and_a_split_word():
    rng = np.random.default_rng(0)
    assert corpus_words.look_alike(rng, "Only $45", Script.LATIN) == "Only $4S"
    assert corpus_words.look_alike(rng, "Only", Script.LATIN) == "Only"
    assert corpus_words.split_word(rng, "One sentence", Script.LATIN) == "One sent ence"


def test_no_wrong_letter_is_drawn_in_a_face_that_makes_it_alike():
    upright = corpus_faces.upright()
    telling = corpus_faces.telling(upright)
    assert telling
    # In Source Sans Pro Black an S is a 5 with a round corner.
    assert fonts.SANS_BLACK in set(upright) - set(telling)


def test_a_malformed_letter_differs_where_a_person_looks():
    twins = [n for n in range(90) if sample(Split.TUNE, 2 * n + 1, SMALL).damage is Damage.MALFORMED]
    assert len(twins) > 8
    for n in twins:
        sound, twin = (np.asarray(sample(Split.TUNE, 2 * n + k, SMALL).pixels, np.int16) for k in (0, 1))
        changed = (np.abs(sound - twin).max(axis=2) > 12).sum()
        assert changed >= 12, n


@pytest.mark.parametrize("seed", range(8))
def test_malformed_letters_keep_most_of_their_ink(seed: int):
    rng = np.random.default_rng(seed)
    line = line_of("Rag", style(corpus_faces.upright()[0]))
    placed = on_line(line, 120, (40, 200))
    sound, bad = raster(placed, (400, 300)), corpus_malformed.with_malformed(rng, placed, (400, 300))
    changed = np.abs(sound.astype(int) - bad).sum() / sound.sum(dtype=int)
    assert 0.03 < changed < 0.5


@pytest.mark.parametrize("seed", range(20))
def test_ink_stands_apart_from_its_ground(seed: int):
    rng = np.random.default_rng(seed)
    ground = corpus_inks.colour(rng)
    ink = corpus_looks.ink_on(rng, ground)
    assert palette.ratio(ground, ink) >= corpus_looks.READABLE or ink in (palette.WHITE, palette.BLACK)
    faint = corpus_looks.ink_on(rng, ground, corpus_looks.FAINT)
    assert abs(palette.lightness(faint) - palette.lightness(ground)) >= 10


def test_words_in_the_middle_of_no_script_are_split_in_chinese():
    drawn = [sample(Split.TUNE, i, (128, 128)) for i in range(2 * ORDER.index(Kind.CJK) + 1, 500, 2 * len(ORDER))]
    assert all(d.damage is not Damage.SPLIT_WORD for d in drawn if d.kind is Kind.CJK)


@pytest.mark.parametrize("seed", range(12))
def test_shapes_of_a_ground_stand_apart_so_that_no_two_make_an_emblem(seed: int):
    art = Image.new("RGB", (512, 512), (255, 255, 255))
    corpus_looks.shapes(np.random.default_rng(seed), art)
    bare = np.asarray(Image.new("RGB", (512, 512), (255, 255, 255)))
    drawn = (np.asarray(art) != bare).any(axis=2).any(axis=0)
    begins = np.flatnonzero(np.diff(drawn.astype(np.int8)) == 1).size + int(drawn[0])
    colours = {tuple(c) for c in np.asarray(art).reshape(-1, 3).tolist()} - {(255, 255, 255)}
    assert len(colours) == begins >= 1
