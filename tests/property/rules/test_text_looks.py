"""Properties of the verdict on text: what is right is accepted, one letter wrong never is, and nothing raises."""

from __future__ import annotations

import math
import string
from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import assume, example, given
from hypothesis import strategies as st

from rules.folding import Fold, fold
from rules.text import Level, match_read
from rules.text_verdict import is_sure, judge_text
from schemas.events import Lane, Letter, LetterState, RenderRequest, TextLikelihood, TextRead, Word
from tests.unit.rules.samples import contract, job, routed, ruleset

LIMITS = ruleset().thresholds
HEIGHT = 1024
LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
WORD = st.text(LETTERS, min_size=2, max_size=8)
PHRASE = st.lists(WORD, min_size=1, max_size=4).map(" ".join)
LANES = st.sampled_from(Lane)
WIDTH, LINE, LETTER = 1024, 60, 22


def asked(texts: list[str], lane: Lane = Lane.CRITICAL) -> RenderRequest:
    return routed(job("a poster", lane=lane, required_text=tuple(texts)))


def printed(text: str, x: float, y: float) -> Word:
    """A box of a line as a reader gives it that is sure of each letter and knows where it stands."""
    size = len(text)
    right = x + LETTER * size
    return Word(
        text=text,
        confidence=0.99,
        box=(x, y, right, y, right, y + 40, x, y + 40),
        centres=tuple((i + 0.5) / size for i in range(size)),
        confidences=(0.999,) * size,
    )


def set_in_lines(phrases: list[str], random: Random) -> TextRead:
    """Phrases one under another, broken between words at random, each line in one box or in a box for each word."""
    words: list[Word] = []
    y = 20.0
    for phrase in phrases:
        lines: list[list[str]] = [[]]
        for part in phrase.split():
            if lines[-1] and random.random() < 0.4:
                lines.append([])
            lines[-1].append(part)
        for line in lines:
            if random.random() < 0.5:
                words.append(printed(" ".join(line), 30, y))
            else:
                x = 30.0
                for part in line:
                    words.append(printed(part, x, y))
                    x += LETTER * (len(part) + 1)
            y += LINE
    return TextRead(reader="rapidocr", elapsed_ms=1, words=tuple(words))


def accepted(request: RenderRequest, *reads: TextRead) -> bool:
    finding = judge_text(reads, request, LIMITS, HEIGHT)
    return not finding.defects and not finding.doubts


@given(st.lists(PHRASE, min_size=1, max_size=4), LANES, st.randoms(use_true_random=False))
def test_a_poster_that_is_right_is_accepted_at_the_first_look(phrases: list[str], lane: Lane, random: Random):
    # A word that stands in two places could be read in either.
    words = [fold(w, Fold.LOOK) for p in phrases for w in p.split()]
    whole = [fold(p, Fold.LOOK) for p in phrases]
    assume(all(sum(f.count(w) for f in whole) == 1 for w in words))
    request = asked(phrases, lane)
    read = set_in_lines(phrases, random)
    assert accepted(request, read)
    assert is_sure((read,), request, LIMITS, HEIGHT)
    assert {x.state for x in judge_text((read,), request, LIMITS, HEIGHT).letters} == {LetterState.RIGHT}


@given(PHRASE, LANES, st.data(), st.integers(1, 3), st.randoms(use_true_random=False))
def test_one_letter_wrong_is_never_accepted(text: str, lane: Lane, data: st.DataObject, looks: int, random: Random):
    at = data.draw(st.sampled_from([i for i, c in enumerate(text) if c != " "]))
    new = data.draw(st.sampled_from(LETTERS))
    kinds = {
        "substitution": text[:at] + new + text[at + 1 :],
        "deletion": text[:at] + text[at + 1 :],
        "insertion": text[:at] + new + text[at:],
        "transposition": text[:at] + text[at : at + 2][::-1] + text[at + 2 :],
    }
    spoilt = data.draw(st.sampled_from(sorted(kinds)))
    shown = kinds[spoilt]
    assume(shown.strip() and fold(shown, Fold.LOOK) != fold(text, Fold.LOOK))
    request = asked([text], lane)
    reads = [set_in_lines([shown], random) for _ in range(looks)]
    assert not accepted(request, *reads)
    # Nor where another look reads it right: more looks make nothing laxer.
    assert not accepted(request, *reads, set_in_lines([text], random))
    assert not accepted(request, set_in_lines([text], random), *reads)


@given(st.text(LETTERS, min_size=4, max_size=10), st.data(), LANES)
def test_a_blank_inside_a_word_is_never_accepted(text: str, data: st.DataObject, lane: Lane):
    at = data.draw(st.integers(2, len(text) - 2))
    assert not accepted(asked([text], lane), set_in_lines([f"{text[:at]} {text[at:]}"], Random(1)))


@given(
    st.lists(st.text(string.ascii_uppercase, min_size=3, max_size=7), min_size=7, max_size=9, unique=True), st.data()
)
def test_shuffled_boxes_on_a_ring_keep_their_verdict(words: list[str], data: st.DataObject):
    size = 40.0
    whole = sum(0.6 * size * (len(w) + 1) for w in words)
    radius, at = whole / math.tau, 0.0
    boxes: list[Word] = []
    for text in words:
        length = 0.6 * size * (len(text) + 1)
        turn = math.tau * (at + length / 2) / whole
        x, y = 600 + radius * math.sin(turn), 600 - radius * math.cos(turn)
        half, cos, sin = 0.3 * size * len(text), math.cos(turn), math.sin(turn)
        corners = [(-half, -size / 2), (half, -size / 2), (half, size / 2), (-half, size / 2)]
        box = tuple(v for dx, dy in corners for v in (x + dx * cos - dy * sin, y + dx * sin + dy * cos))
        boxes.append(Word(text=text, confidence=0.99, box=box))
        at += length
    first = data.draw(st.integers(0, len(words) - 1))
    wanted = contract(" ".join(words[first:] + words[:first]))
    for order in (boxes, data.draw(st.permutations(boxes))):
        match = match_read(wanted, TextRead(reader="r", elapsed_ms=1, words=tuple(order)))
        assert match.shown[0].level is Level.EXACT
        assert match.extra == ()


ANY_TEXT = st.one_of(
    st.text(max_size=12), st.sampled_from(["SALE", "SALE NOW", "S ALE", "ﬁne", "e\u0301", "!!!", "夏祭り"])
)
NUMBERS = st.one_of(st.floats(-1000, 5000), st.sampled_from([0.0, math.nan, math.inf, -math.inf, 1e300]))


@st.composite
def any_words(draw: st.DrawFn) -> Word:
    text = draw(ANY_TEXT)
    size = draw(st.sampled_from([0, len(text), len(text) + 1]))
    return Word(
        text=text,
        confidence=draw(st.floats(0, 1)),
        box=tuple(draw(st.lists(NUMBERS, min_size=8, max_size=8))),
        centres=tuple(draw(st.lists(st.one_of(st.floats(0, 1), NUMBERS), min_size=size, max_size=size))),
        confidences=tuple(draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))),
    )


READS = st.lists(
    st.builds(
        TextRead,
        reader=st.sampled_from(["rapidocr", "easyocr", "vision"]),
        elapsed_ms=st.just(1.0),
        words=st.lists(any_words(), max_size=6).map(tuple),
    ),
    max_size=4,
)
TEXTS = st.lists(ANY_TEXT.filter(lambda t: any(c.isalnum() for c in t)), max_size=4)
LIKELY = st.builds(
    TextLikelihood,
    phrase=st.integers(0, 5),
    reader=st.just("r"),
    seen=st.just(""),
    log_ratio=st.floats(-50, 1),
    box=st.just((0.0,) * 8),
)


@given(TEXTS, READS, LANES, st.lists(LIKELY, max_size=3))
@example(
    ["e\u0301"],
    [TextRead(reader="r", elapsed_ms=1, words=(Word(text="é", confidence=1, box=(0,) * 8),))],
    Lane.CRITICAL,
    [],
)
def test_any_readings_are_judged_and_every_wanted_letter_is_told_once(
    texts: list[str], reads: list[TextRead], lane: Lane, likely: list[TextLikelihood]
):
    made = contract(*texts, lane=lane)
    request = replace(asked([], lane), text=made)
    finding = judge_text(reads, request, LIMITS, HEIGHT, likely)
    assert is_sure(reads, request, LIMITS, HEIGHT) in (True, False)
    assert finding == judge_text(reads, request, LIMITS, HEIGHT, likely)
    told = Counter((x.phrase, x.place) for x in finding.letters if x.state is not LetterState.EXTRA)
    assert set(told.values()) <= {1}
    for i, phrase in enumerate(made.phrases):
        places = {p for n, p in told if n == i}
        assert places >= {at for at, c in enumerate(phrase.text) if c.isalnum()}
    for letter in finding.letters:
        _holds(letter)
    # A likelihood raises doubt and takes none away.
    if not likely:
        return
    without = judge_text(reads, request, LIMITS, HEIGHT)
    assert bool(without.defects or without.doubts) <= bool(finding.defects or finding.doubts)


def _holds(letter: Letter) -> None:
    assert (letter.wanted == "") == (letter.state is LetterState.EXTRA)
    if letter.state is LetterState.MISSING:
        assert letter.seen == ""
    if letter.box is not None:
        assert letter.box.left < letter.box.right
        assert letter.box.top < letter.box.bottom
