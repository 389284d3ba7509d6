"""The overlay: each kind of mark is drawn where it belongs, nothing is cut off, at every size of picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ops.overlay.captions import RGB, Caption, wrapped
from ops.overlay.draw import WIDE, overlay
from ops.overlay.marks import VERDICTS, Mark
from ops.overlay.shapes import draw_shape
from schemas.events import (
    Box,
    Defect,
    Glyph,
    Inspection,
    Judgement,
    Letter,
    LetterState,
    LogoMatch,
    Region,
    RegionKind,
    TextRead,
    Verdict,
    Word,
)
from workers.engines import palette

GROUND = (250, 250, 250)


def picture(width: int = 1000, height: int = 1000) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), GROUND).save(out, "PNG")
    return out.getvalue()


def box(left: int, top: int, right: int, bottom: int) -> Box:
    return Box(left=left, top=top, right=right, bottom=bottom)


def judged(*letters: Letter, verdict: Verdict = Verdict.REJECT, reasons: Sequence[str] = ("a ground",)) -> Judgement:
    return Judgement(
        verdict=verdict, defects=(), scores={}, reasons=tuple(reasons), ruleset_id="ab" * 32, letters=letters
    )


def letter(state: LetterState, at: Box | None, *, wanted: str = "A", seen: str = "A") -> Letter:
    return Letter(phrase=0, place=0, state=state, wanted=wanted, seen=seen, box=at)


NOTHING = Inspection(measurements=(), reads=(), errors=(), elapsed_ms=1.0)


def colours(sheet: Image.Image) -> set[tuple[int, ...]]:
    return {colour for _, colour in cast("list[tuple[int, tuple[int, ...]]]", sheet.getcolors(1 << 24))}


@pytest.mark.parametrize(
    ("state", "mark"),
    [
        (LetterState.RIGHT, Mark.RIGHT),
        (LetterState.WRONG, Mark.WRONG),
        (LetterState.MISSING, Mark.MISSING),
        (LetterState.EXTRA, Mark.EXTRA),
    ],
)
def test_each_state_of_a_letter_has_its_colour(state: LetterState, mark: Mark):
    sheet = overlay(picture(), NOTHING, judged(letter(state, box(400, 400, 440, 460))), name="a.png")
    assert {m.colour for m in Mark} & colours(sheet) == {mark.colour}


def test_a_letter_without_a_box_is_not_drawn():
    sheet = overlay(picture(), NOTHING, judged(letter(LetterState.MISSING, None, seen="")), name="a.png")
    assert not {m.colour for m in Mark} & colours(sheet)


@pytest.mark.parametrize("verdict", Verdict)
def test_the_band_has_the_colour_of_the_verdict(verdict: Verdict):
    sheet = overlay(picture(), NOTHING, judged(verdict=verdict), name="a.png")
    assert sheet.getpixel((sheet.width // 2, 2)) == VERDICTS[verdict]


@pytest.mark.parametrize("size", [(300, 900), (512, 512), (2048, 2048), (4096, 1024), (64, 64)])
def test_the_picture_is_large_enough_to_be_looked_at_and_not_larger(size: tuple[int, int]):
    sheet = overlay(picture(*size), NOTHING, judged(), name="a.png")
    assert WIDE <= sheet.width <= 2048
    assert sheet.height >= min(2048, max(1000, *size)) * size[1] / max(size)


def test_a_long_ground_takes_more_lines_and_none_of_it_is_cut():
    short = overlay(picture(), NOTHING, judged(reasons=["short"]), name="a.png")
    long = overlay(picture(), NOTHING, judged(reasons=["expected " + "'wanted text' " * 40] * 6), name="a.png")
    assert long.height > short.height + 300
    # The right margin of the band of grounds stays white: no line runs out of the sheet.
    margin = np.asarray(long)[70 : long.height - 1010, -8:]
    assert (margin == 255).all()


def test_a_word_wider_than_the_sheet_is_broken_and_whole():
    lines = wrapped("a " + "x" * 400 + " b", 20, 300)
    assert all(line.width <= 300 for line in lines)
    assert "".join(line.text for line in lines).replace(" ", "") == "a" + "x" * 400 + "b"


def test_a_very_long_file_name_keeps_its_end_inside_the_band():
    sheet = overlay(picture(), NOTHING, judged(), name="very-" * 60 + "end.png")
    assert sheet.getpixel((sheet.width - 2, 5)) == VERDICTS[Verdict.REJECT]


@pytest.mark.parametrize("text", ["Größe", "Ярмарка", "Ελεύθερη", "\u2603\U0001f600", "\u0007"])
def test_captions_are_drawn_in_every_script(text: str):
    caption = Caption(text, 20)
    assert (caption.width > 0) == text.isprintable()
    if not text.isascii() and text.isalpha():
        tofu = Caption("\ufffe", 20).width
        assert caption.width != pytest.approx(tofu * len(text))


def test_marks_of_other_checks_are_drawn_with_their_labels():
    inspection = Inspection(
        measurements=(),
        reads=(TextRead(reader="r", elapsed_ms=1, words=(word("READ"),)),),
        errors=(),
        elapsed_ms=1.0,
        glyphs=(Glyph(letter="A", reader="r", word=0, place=0, health=0.2, box=box(100, 100, 140, 150)),),
        regions=tuple(
            Region(kind=kind, check="people", box=box(100 * n, 500, 100 * n + 80, 600), score=0.9)
            for n, kind in enumerate(RegionKind)
        ),
        logos=(LogoMatch(file_sha256="cd" * 32, found=True, score=0.8, box=(600, 700, 800, 700, 800, 800, 600, 800)),),
    )
    malformed = Defect(mode="m", check="glyphs", value=0.2, threshold=0.3, evidence="e", certain=False)
    found = replace(judged(), defects=(malformed,))
    sheet = overlay(picture(), inspection, found, name="a.png", crops=("4:5", "nonsense"), bleed_px=20)
    assert Mark.SUBJECT.colour not in colours(overlay(picture(), inspection, found, name="a.png"))
    guesses = replace(inspection, regions=tuple(replace(r, score=0.4) for r in inspection.regions))
    guessed = colours(overlay(picture(), guesses, found, name="a.png", crops=("4:5",)))
    assert not {m.colour for m in (Mark.FACE, Mark.BODY, Mark.SUBJECT, Mark.MARK)} & guessed
    letters = {Mark.RIGHT, Mark.WRONG, Mark.MISSING, Mark.EXTRA}
    seen = colours(sheet)
    assert {m for m in Mark if m.colour in seen} == set(Mark) - letters


def test_marks_of_letters_differ_by_shape_and_tags_can_be_read():
    faults = (Mark.RIGHT, Mark.WRONG, Mark.MISSING, Mark.EXTRA, Mark.WEAK)
    assert len({m.shape for m in faults}) == len(faults)
    for mark in Mark:
        # WCAG 2.2 asks for 4.5 for text; tags are white on the mark's colour.
        assert palette.ratio(palette.WHITE, mark.colour) >= 4.5, mark
    for colour in VERDICTS.values():
        assert palette.ratio(palette.WHITE, colour) >= 4.5


@pytest.mark.parametrize("ground", [(255, 255, 255), (0, 0, 0), Mark.RIGHT.colour, Mark.WRONG.colour])
def test_every_mark_shows_on_every_ground(ground: RGB):
    for mark in Mark:
        art = Image.new("RGB", (120, 120), ground)
        draw_shape(ImageDraw.Draw(art), mark.shape, (20.0, 20.0, 100.0, 100.0), mark.colour, 3)
        changed = (np.asarray(art) != ground).any(axis=2)
        assert changed.sum() > 80, (mark, ground)


def test_what_nobody_asked_for_is_framed_as_lines_and_a_letter_too_many_by_itself():
    def row(phrase: int, top: int, count: int) -> list[Letter]:
        at = [box(300 + 20 * n, top, 318 + 20 * n, top + 40) for n in range(count)]
        return [replace(letter(LetterState.EXTRA, one, wanted=""), phrase=phrase) for one in at]

    def orange(*letters: Letter) -> int:
        sheet = overlay(picture(), NOTHING, judged(*letters), name="a.png")
        return int((np.asarray(sheet) == Mark.EXTRA.colour).all(axis=2).sum())

    unasked = orange(*row(-1, 300, 10))
    assert unasked < orange(*row(0, 300, 10)) * 0.7
    assert orange(*row(-1, 300, 10), *row(-1, 600, 10)) > unasked * 1.7


def test_a_blank_inside_a_word_is_named():
    def orange(seen: str) -> int:
        sheet = overlay(
            picture(), NOTHING, judged(letter(LetterState.EXTRA, box(300, 300, 330, 350), seen=seen)), name="a"
        )
        return int((np.asarray(sheet) == Mark.EXTRA.colour).all(axis=2).sum())

    assert orange(" ") > orange("A") + 300


def test_a_letter_that_has_to_go_is_not_called_malformed_too():
    glyph = Glyph(letter="A", reader="r", word=0, place=0, health=0.2, box=box(100, 100, 140, 150))
    malformed = Defect(mode="m", check="glyphs", value=0.2, threshold=0.3, evidence="e", certain=False)
    extra = letter(LetterState.EXTRA, box(102, 98, 138, 152), wanted="")
    found = replace(judged(extra), defects=(malformed,))
    sheet = overlay(picture(), replace(NOTHING, glyphs=(glyph,)), found, name="a.png")
    assert Mark.WEAK.colour not in colours(sheet)


def test_where_no_letter_has_a_place_what_was_read_is_shown():
    empty = TextRead(reader="s", elapsed_ms=1, words=())
    inspection = replace(NOTHING, reads=(TextRead(reader="r", elapsed_ms=1, words=(word("READ"),)), empty))
    sheet = overlay(picture(), inspection, judged(letter(LetterState.MISSING, None, seen="")), name="a.png")
    assert Mark.READ.colour in colours(sheet)


def word(text: str) -> Word:
    return Word(text=text, confidence=0.9, box=(100.0, 300.0, 300.0, 300.0, 300.0, 360.0, 100.0, 360.0))


def test_labels_of_letters_side_by_side_do_not_hide_each_other():
    letters = [letter(LetterState.WRONG, box(400 + 12 * n, 400, 410 + 12 * n, 440), wanted="W") for n in range(4)]
    one = overlay(picture(), NOTHING, judged(letters[0]), name="a.png")
    four = overlay(picture(), NOTHING, judged(*letters), name="a.png")

    def red(sheet: Image.Image) -> int:
        return int((np.asarray(sheet) == Mark.WRONG.colour).all(axis=2).sum())

    assert red(four) > 2.5 * red(one)


def test_a_file_that_does_not_decode_still_says_why():
    sheet = overlay(b"no picture", NOTHING, judged(reasons=["undecodable: no picture"]), name="a.png")
    assert sheet.width >= WIDE
