"""Several looks at one text: none makes another laxer, and doubt goes to a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules.phrase_look import Look, look_at
from rules.text import match_read
from rules.text_looks import Ground, judge_phrase
from rules.text_verdict import LETTERS_MAX, TextFinding, at_fault, is_sure, judge_text
from rules.verdict import judge
from schemas.events import (
    FileRole,
    Inspection,
    Lane,
    LetterState,
    PhraseSource,
    RenderRequest,
    TextLikelihood,
    TextRead,
    Verdict,
    Word,
)
from tests.unit.rules.samples import LOGO, inspection, job, read, rendering, routed, ruleset, word

HEIGHT = 1024
LIMITS = ruleset().thresholds


def asked(*texts: str, lane: Lane = Lane.CRITICAL, **fields: Any) -> RenderRequest:
    return routed(job("a poster", lane=lane, required_text=texts, **fields))


COFFEE = asked("FRESH COFFEE")
PRICE = asked("ONLY $4.50")


def look(*lines: str | Word, reader: str = "rapidocr") -> TextRead:
    return read(*lines, reader=reader)


def sure_of(text: str, *letters: float, other: float = 0.99, line: float = 0) -> Word:
    """A word with a confidence for each letter: `letters` for the last ones, `other` for those before."""
    confidences = (*[other] * (len(text) - len(letters)), *letters)
    return replace(word(text, line), confidence=sum(confidences) / len(text), confidences=confidences)


def found(request: RenderRequest, *reads: TextRead, **given: Any) -> TextFinding:
    return judge_text(reads, request, LIMITS, HEIGHT, **given)


def close(text: str) -> Word:
    """A word whose letters stand evenly, as the reader tells."""
    return replace(word(text), centres=tuple((i + 0.5) / len(text) for i in range(len(text))))


def verdict(finding: TextFinding) -> Verdict:
    if any(d.certain for d in finding.defects):
        return Verdict.REJECT
    return Verdict.REVIEW if finding.defects or finding.doubts else Verdict.ACCEPT


def told(finding: TextFinding) -> str:
    return " ".join([*(d.evidence for d in finding.defects), *finding.doubts])


A, V, X = Verdict.ACCEPT, Verdict.REVIEW, Verdict.REJECT


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # A look that slips and knows it counts against no exact one.
        ([sure_of("FRESH COFFFE", 0.4, 0.9), sure_of("FRESH COFFEE")], A),
        ([sure_of("FRESH COFFFE", 0.95, 0.9), sure_of("FRESH COFFEE")], V),
        ([sure_of("FRESH COFFE", 0.6, 0.6), sure_of("FRESH COFFEE")], A),
        ([sure_of("FRESH COFFE"), sure_of("FRESH COFFEE")], V),
        # Sure of what is wrong, or garbled.
        ([sure_of("FRESH COFFE"), sure_of("FRESH COFFE")], X),
        ([sure_of("FRESH COFFXE", 0.5, 0.9), sure_of("FRESH COFFXE", 0.5, 0.9)], V),
        ([sure_of("FRXQH CQFZEB", 0.5, 0.5)], X),
        # Letters that no look is sure of.
        ([sure_of("FRESH COFFEE", 0.3)], V),
        ([sure_of("FRESH COFFEE", 0.3), sure_of("FRESH COFFEE", 0.8)], A),
        # Neighbours in shape: perhaps the reader's fault.
        ([sure_of("FRESH COFFEE"), sure_of("FRE5H C0FFEE")], A),
    ],
)
def test_looks_are_weighed_by_the_letters_in_which_they_differ(words: list[Word], expected: Verdict):
    assert verdict(found(COFFEE, *(look(w, reader=f"look-{i}") for i, w in enumerate(words)))) is expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([sure_of("ONLY $4.50")], A),
        ([sure_of("Only $4.50")], V),
        ([sure_of("ONLY $450")], V),
        ([sure_of("ONLY $4.50!")], A),
        ([sure_of("ONLY $4.5O")], V),
        ([sure_of("ONLY $4.50", 0.9)], V),
        ([sure_of("ONLY $4.50", 0.9), sure_of("ONLY $4.50", 0.999)], A),
        ([sure_of("ONLY $4.5O"), sure_of("ONLY $4.50")], V),
        ([sure_of("ONLY $4.5O", 0.5), sure_of("ONLY $4.50")], A),
        ([sure_of("ONLY $A.50"), sure_of("ONLY $A.50")], X),
    ],
)
def test_figures_are_compared_to_the_letter_and_must_be_read_surely(seen: list[Word], expected: Verdict):
    assert verdict(found(PRICE, *(look(w, reader=f"look-{i}") for i, w in enumerate(seen)))) is expected


def test_a_wrong_letter_that_is_its_neighbour_in_shape_is_doubt():
    barn = asked("BARN DANCE")
    doubt = found(barn, look(word("BAM DANCE")), look(word("BAM DANCE"), reader="second"))
    assert verdict(doubt) is V


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([word("FRESH COF FEE")], "a blank inside a word after 'COF'"),
        ([word("FRESH COF", 0), word("FEE", 0, at=500)], "a blank inside a word after 'COF'"),
        ([word("FRESH COF", 0), word("FEE", 1)], "a word broken over lines after 'COF'"),
        ([word("COFFEE FRESH")], "its words in another order"),
        ([word("FRESH COFEFE")], "'F' and 'E' in each other's place"),
        ([word("FRESH COFFE")], "'E' missing after 'FRESH COFFE'"),
    ],
)
def test_people_are_told_what_is_wrong_and_where(seen: list[Word], says: str):
    finding = found(COFFEE, look(*seen))
    assert verdict(finding) is not A
    assert says in told(finding)


@pytest.mark.parametrize(
    ("reads", "blank"),
    [
        ([look(word("FRESH COF FEE"))], (LetterState.EXTRA, "", " ", 9)),
        ([look(word("FRESH COFFEE")), look(word("FRESH COF FEE"), reader="b")], (LetterState.EXTRA, "", " ", 9)),
        ([look(word("FRESH COF FEX"))], (LetterState.EXTRA, "", " ", 9)),
        ([look(word("FRESH COF", 0), word("FEE", 0, at=500))], (LetterState.EXTRA, "", " ", 9)),
        ([look(close("FRESHCOFFEE"))], (LetterState.MISSING, " ", "", 5)),
    ],
)
def test_a_blank_too_many_and_a_lost_one_are_letters(reads: list[TextRead], blank: tuple[LetterState, str, str, int]):
    letters = found(COFFEE, *reads).letters
    (one,) = [x for x in letters if " " in (x.wanted, x.seen)]
    assert (one.state, one.wanted, one.seen, one.place) == blank
    assert one.box is not None
    places = [x.place for x in letters]
    assert places == sorted(places)


def test_a_blank_inside_a_word_is_doubt_though_another_look_lost_it():
    assert verdict(found(COFFEE, look("FRESH COF FEE"), look("FRESH COFFEE", reader="second"))) is V
    assert verdict(found(COFFEE, look("FRESHCOFFEE"))) is A


def test_missing_text_is_doubt_where_lettering_is_left_that_no_reader_is_sure_of():
    assert verdict(found(COFFEE, look())) is X
    unsure = word("XQZRTVWY", confidence=0.5)
    assert verdict(found(COFFEE, look(unsure))) is V
    assert "no reader is sure of" in told(found(COFFEE, look(unsure)))
    assert verdict(found(COFFEE, look(word("XQ", confidence=0.5)))) is X


@pytest.mark.parametrize(("ratio", "expected"), [(-1.0, V), (-20.0, X)])
@pytest.mark.parametrize("seen", ["FRESH COFFE", ""])
def test_a_likelihood_turns_a_reject_into_a_review_and_never_into_an_accept(ratio: float, expected: Verdict, seen: str):
    likely = TextLikelihood(phrase=0, reader="rapidocr", seen=seen, log_ratio=ratio, box=(0,) * 8)
    other = replace(likely, phrase=1, log_ratio=0)
    lines = [seen] if seen else []
    assert verdict(found(COFFEE, look(*lines), likelihoods=[likely, other])) is expected
    judged = judge(replace(inspection(look(*lines)), likelihoods=(likely,)), rendering(), COFFEE, ruleset())
    assert judged.verdict is expected


CYRILLIC = asked("Вход свободный", "OPEN DAILY")


@pytest.mark.parametrize(
    ("lines", "expected", "says"),
    [
        (["OPEN DAILY"], V, "no reader knows 'В', 'х', 'о' and others"),
        ([word("Bxод cвoбодный"), word("OPEN DAILY", 1)], V, "no reader knows"),
        ([word("Bxog cbogogHb"), word("OPEN DAILY", 1)], V, "no reader knows"),
        ([word("Вход свободный"), word("OPEN DAILY", 1)], V, "no reader was made for 'В', 'х', 'о' and others"),
        ([word("Bxog cbogogHb")], X, "seen nothing like it"),
    ],
)
def test_what_no_reader_knows_is_shown_to_a_person(lines: list[str | Word], expected: Verdict, says: str):
    seen = found(CYRILLIC, look(*lines), look(*lines, reader="second"))
    assert verdict(seen) is expected
    assert says in told(seen)


def test_a_rare_letter_that_was_read_for_once_is_right():
    tea = asked("Trà ấm")
    assert verdict(found(tea, look("Trà ấm"))) is A
    assert verdict(found(tea, look("Trà ám"))) is V
    assert "no reader knows 'ấ', so a person must look" in told(found(tea, look("Trà ám")))
    assert verdict(found(asked("Trà xanh"), look("Trà xanx"))) is X


def twin(word_: Word, seen: str, ratio: float) -> TextLikelihood:
    return TextLikelihood(phrase=0, reader="rapidocr", seen=seen, log_ratio=ratio, box=tuple(word_.box))


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        ("ONLY $4.5O", "text.look_alike_figure"),
        ("ONLY $4.5o", "text.look_alike_small"),
        ("0NLY $4.50", "text.look_alike_letter"),
    ],
)
def test_an_exact_reading_is_doubt_where_its_look_alike_is_nearly_as_likely(seen: str, name: str):
    read_ = word("ONLY $4.50")
    near, far = twin(read_, seen, LIMITS[name] - 0.1), twin(read_, seen, LIMITS[name] + 0.1)
    assert verdict(found(PRICE, look(read_), likelihoods=[far])) is A
    doubt = found(PRICE, look(read_), likelihoods=[far, near])
    assert verdict(doubt) is V
    assert f"{seen!r} is nearly as likely" in told(doubt)
    assert verdict(found(PRICE, look(read_), likelihoods=[replace(near, phrase=1)])) is A


def test_a_look_alike_of_a_figure_is_judged_more_strictly_than_one_of_a_letter():
    assert LIMITS["text.look_alike_figure"] > LIMITS["text.look_alike_letter"]
    read_ = word("ONLY $4.50")
    ratio = (LIMITS["text.look_alike_figure"] + LIMITS["text.look_alike_letter"]) / 2
    assert verdict(found(PRICE, look(read_), likelihoods=[twin(read_, "ONLY $4.5O", ratio)])) is V
    assert verdict(found(PRICE, look(read_), likelihoods=[twin(read_, "0NLY $4.50", ratio)])) is A


def turned(text: str, x: float) -> Word:
    """A line that runs upwards."""
    size = 40.0 * len(text)
    return Word(text=text, confidence=0.99, box=(x, 900, x, 900 - size, x + 60, 900 - size, x + 60, 900))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([turned("FESTIVAL 1995", 300), turned("NORTHERN", 200)], A),
        ([turned("FESTIVAL 1995", 200), turned("NORTHERN", 300)], V),
        ([word("FESTIVAL 1995", 0), word("NORTHERN", 1)], V),
        ([word("FESTIVAL 1995", 0), word("OPEN DAILY", 1), word("NORTHERN", 2)], V),
        ([word("FESTIVAL NORTHERN 1995")], X),
        ([word("1995 FESTIVAL", 0), word("NORTHERN", 1)], X),
        ([word("FESTIVAL 1995", 0), word("NORTERN", 1)], X),
    ],
)
def test_whole_lines_in_another_order_are_doubt(seen: list[Word], expected: Verdict):
    wanted = asked("NORTHERN FESTIVAL 1995", "OPEN DAILY")
    lines = [*seen] if any(w.text == "OPEN DAILY" for w in seen) else [*seen, word("OPEN DAILY", 5)]
    assert verdict(found(wanted, look(*lines))) is expected


def model(*lines: str) -> TextRead:
    whole = (0, 0, 1024, 0, 1024, 1024, 0, 1024)
    words = tuple(Word(text=t, confidence=1, box=whole) for t in lines)
    return TextRead(reader="vision", elapsed_ms=900, words=words)


@pytest.mark.parametrize(
    ("plain", "by_model", "critical", "exploratory"),
    [
        ([], ["FRESH COFFEE"], V, V),
        (["FRESH COFFE"], ["FRESH COFFEE"], V, V),
        ([word("FRESH COFFXE", confidence=0.6)], ["FRESH COFFEE"], V, V),
        ([word("FRESH COFFEE", confidence=0.4)], ["FRESH COFFEE"], A, A),
        ([sure_of("FRESH COFFEE", 0.3)], ["FRESH COFFEE"], A, A),
        (["FRESH COFFEE"], ["FRESH COFFE"], V, V),
        (["FRESH COFFEE"], ["FRESH COFFEE", "BUY NOW"], V, V),
        (["FRESH COFFE"], ["FRESH COFFE"], X, X),
    ],
)
def test_a_model_confirms_or_raises_doubt(
    plain: list[str | Word], by_model: list[str], critical: Verdict, exploratory: Verdict
):
    reads = (look(*plain), model(*by_model))
    assert verdict(found(COFFEE, *reads)) is critical
    assert verdict(found(asked("FRESH COFFEE", lane=Lane.EXPLORATORY), *reads)) is exploratory


def test_a_model_alone_is_no_reading():
    alone = found(COFFEE, model("FRESH COFFEE"))
    assert (verdict(alone), alone.doubts) == (V, ["Only a vision-language model has read the picture."])
    assert {x.state for x in alone.letters} == {LetterState.MISSING}
    assert at_fault([model("FRESH COFFE")], COFFEE, LIMITS, HEIGHT) == ()


def test_phrases_in_another_order_than_listed_are_shown_to_a_person():
    listed = asked("FRESH COFFEE", "OPEN DAILY")
    swapped = found(listed, look("OPEN DAILY", "FRESH COFFEE"))
    assert (verdict(swapped), swapped.doubts) == (
        V,
        ["'OPEN DAILY' stands above 'FRESH COFFEE', and was listed after it."],
    )
    beside = found(listed, look(word("OPEN DAILY", 0), word("FRESH COFFEE", 0, at=600)))
    assert "stands before" in told(beside)
    assert verdict(found(listed, look("FRESH COFFEE", "OPEN DAILY"))) is A
    apart = found(listed, look(word("OPEN DAILY", 0, at=600), word("FRESH COFFEE", 1)))
    assert verdict(apart) is A
    slanted = [
        Word(text=t, confidence=1, box=(x, 90, x + 90, 0, x + 110, 20, x + 20, 110))
        for t, x in (("OPEN DAILY", 0), ("FRESH COFFEE", 300))
    ]
    assert verdict(found(listed, look(*slanted))) is A
    sketch = asked("FRESH COFFEE", "OPEN DAILY", lane=Lane.EXPLORATORY)
    assert verdict(found(sketch, look("OPEN DAILY", "FRESH COFFEE"))) is A
    quoted = routed(job("a poster “FRESH COFFEE” and “OPEN DAILY”", lane=Lane.CRITICAL))
    assert quoted.text.phrases[0].source is PhraseSource.QUOTED
    assert verdict(found(quoted, look("OPEN DAILY", "FRESH COFFEE"))) is A


def test_a_piece_of_what_another_look_read_whole_is_no_extra_text():
    whole = look("FRESH COFFEE")
    part = look(word("COFFEE", 0, at=240), reader="second")
    assert verdict(found(COFFEE, whole, part)) is A
    elsewhere = look("FRESH COFFEE", word("COFFEE", 5), reader="second")
    assert verdict(found(COFFEE, whole, elsewhere)) is V


def test_stray_text_is_certain_where_two_looks_saw_it():
    lines = ["FRESH COFFEE", "BUY NOW"]
    assert verdict(found(COFFEE, look(*lines), look("FRESH COFFEE", reader="b"), look(*lines, reader="c"))) is X


@pytest.mark.parametrize(
    ("role", "expected"), [(FileRole.STYLE_REFERENCE, V), (FileRole.LOGO, V), (FileRole.INIT_IMAGE, X)]
)
def test_text_that_a_file_may_have_brought_is_doubt(role: FileRole, expected: Verdict):
    request = replace(COFFEE, job=replace(COFFEE.job, files=(replace(LOGO, role=role),)))
    assert verdict(found(request, look("FRESH COFFEE", "NORTH LABEL"))) is expected


def test_another_text_elsewhere_is_no_word_against_a_phrase_where_any_may_stand():
    request = replace(COFFEE, text=replace(COFFEE.text, other_text_allowed=True))
    menu = look(word("FRESH TOFFEE", 7), reader="second")
    assert verdict(found(request, look("FRESH COFFEE"), menu)) is A
    same = look(word("FRESH TOFFEE", 0), reader="second")
    assert verdict(found(request, look("FRESH COFFEE"), same)) is V


def test_a_further_look_is_spared_where_it_could_change_nothing():
    def sure(*words: str | Word) -> bool:
        return is_sure([look(w, reader=f"look-{i}") for i, w in enumerate(words)], COFFEE, LIMITS, HEIGHT)

    assert sure("FRESH COFFEE")
    assert sure(sure_of("FRESH COFFEE"))
    assert not sure(sure_of("FRESH COFFEE", 0.8))
    assert not sure(word("FRESH COFFEE", confidence=0.7))
    assert not sure("FRESH COFFE", "FRESH COFFE")
    assert sure("FRESH COFFE", "FRESH COFFE", "FRESH COFFE")
    assert not sure("FRESH COFFE", "FRESH COFFE", "FRESH COFFFEE")
    assert not is_sure((), COFFEE, LIMITS, HEIGHT)


def test_text_nobody_asked_for_is_sure_once_three_looks_were_had():
    lines = ["FRESH COFFEE", "BUY NOW"]
    looks = [look(*lines, reader=f"look-{i}") for i in range(3)]
    assert not is_sure(looks[:2], COFFEE, LIMITS, HEIGHT)
    assert is_sure(looks, COFFEE, LIMITS, HEIGHT)


def test_look_alikes_that_pass_are_right_letters_and_others_are_wrong_ones():
    sketch = found(asked("FRESH COFFEE", lane=Lane.EXPLORATORY), look("FRE5H COFFEE"))
    assert verdict(sketch) is A
    assert sketch.firm
    assert {x.state for x in sketch.letters} == {LetterState.RIGHT}
    assert [x.seen for x in found(COFFEE, look("FRE5H COFFEE")).letters if x.state is LetterState.WRONG] == ["5"]


def test_every_letter_is_in_the_judgement_with_its_box():
    seen: Inspection = inspection(look("FRESH COFFE", "BUY"))
    letters = judge(seen, rendering(), COFFEE, ruleset()).letters
    assert [(x.phrase, x.wanted, x.state) for x in letters if x.state is not LetterState.RIGHT] == [
        (0, "E", LetterState.MISSING),
        (-1, "", LetterState.EXTRA),
        (-1, "", LetterState.EXTRA),
        (-1, "", LetterState.EXTRA),
    ]
    assert all(x.box is not None for x in letters)


def test_letters_are_bounded():
    long = asked(*(f"{i:02d} " + "long words " * 12 for i in range(20)))
    assert len(found(long, look()).letters) == LETTERS_MAX


def test_a_phrase_of_marks_alone_is_sure_without_letters():
    marks = asked("!!!")
    assert is_sure([look("!!!")], marks, LIMITS, HEIGHT)


def test_a_look_that_differs_in_case_alone_is_no_word_against():
    seen = Look("b", match_read(PRICE.text, look("Only $4.50")).shown[0])
    assert not seen.differs_surely(0.8, 0.9)
    exact = look_at(match_read(PRICE.text, look("ONLY $4.50")), 0)
    assert not exact.differs_surely(0.8, 0.9)
    said = judge_phrase([exact, seen], Ground(lane=Lane.CRITICAL, limits=LIMITS.limits))
    assert (said.defects, said.doubts, said.firm) == ([], [], True)
