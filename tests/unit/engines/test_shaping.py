"""Lines are shaped by HarfBuzz, broken where a reader of their script would break them, in faces that have them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rules.engines import EngineKind
from schemas.errors import BadConfig
from schemas.events import RenderFailure
from tests import renders
from workers.engines import breaking, fonts, poster, shaping
from workers.engines.breaking import joined, pieces
from workers.engines.fonts import Face
from workers.engines.port import Rendered
from workers.engines.shaping import CannotSet, MissingGlyph, Style
from workers.engines.typeset import Typeset

CJK = pytest.importorskip("noto_cjk_sans_jp_bold") and Face("noto_cjk_sans_jp_bold", "NotoSansCJKjp-Bold.otf")
LATIN = Style(face=fonts.DISPLAY, others=fonts.ALL, tracking=0.0, leading=1.1, share=1.0)
WIDE = Style(face=fonts.DISPLAY, others=(*fonts.ALL, CJK), tracking=0.0, leading=1.1, share=1.0)


def test_pairs_are_kerned_and_spacing_keeps_ligatures_apart() -> None:
    apart = sum(breaking.advance(c, LATIN) for c in "AVAT")
    assert breaking.advance("AVAT", LATIN) < apart - 0.05
    serif = Style(face=fonts.SERIF, others=fonts.ALL, tracking=0.0, leading=1.1, share=1.0)
    spaced = Style(face=fonts.SERIF, others=fonts.ALL, tracking=0.05, leading=1.1, share=1.0)
    assert len(shaping.shaped("fi", spaced).glyphs) == 2
    assert len(shaping.shaped("fi", serif).glyphs) <= 2


def test_a_mark_sits_on_its_letter_in_one_face() -> None:
    # é is one character in NFC; x with an acute is not. The display face has no such mark, so another has both.
    line = shaping.shaped("x\u0301", LATIN)
    assert [g.face for g in line.glyphs] == [fonts.SANS] * 2
    assert line.glyphs[1].x < line.advance
    assert line.advance == pytest.approx(breaking.advance("x", replace(LATIN, face=fonts.SANS)))
    assert len(shaping.shaped("e\u0301", LATIN).glyphs) == 1


def test_chinese_japanese_and_korean_take_the_face_that_has_them() -> None:
    for text in ("季節限定", "カフェ", "커피 한 잔", "新品上市"):
        with pytest.raises(MissingGlyph):
            shaping.shaped(text, LATIN)
        assert {g.face for g in shaping.shaped(text, shaping.suited(text, WIDE)).glyphs} == {CJK}


def test_digits_beside_characters_come_from_the_same_face() -> None:
    style = shaping.suited("10月1日", WIDE)
    assert {g.face for g in shaping.shaped("10月1日", style).glyphs} == {CJK}
    assert shaping.suited("12 July", WIDE).face == fonts.DISPLAY


def test_lines_break_between_characters_but_never_before_a_closing_or_after_an_opening_mark() -> None:
    parts = pieces("「季節」の、カフェラテ。ABC xyz 10%ー")
    assert joined(parts) == "「季節」の、カフェラテ。ABC xyz 10%ー"
    texts = [p.text for p in parts]
    assert texts[:4] == ["「季", "節」", "の、", "カ"]
    assert {"ABC", "xyz"} <= set(texts)
    assert all(t[0] not in "、。」ーェ%" for t in texts)
    assert all(t[-1] != "「" for t in texts)


def test_a_line_breaks_beside_a_word_rather_than_in_it() -> None:
    lines = breaking.breaks(pieces("季節限定：抹茶ラテが今年も"), 2, WIDE)
    assert lines in {("季節限定：", "抹茶ラテが今年も"), ("季節限定：抹茶", "ラテが今年も")}


def test_korean_and_latin_break_at_blanks() -> None:
    assert [p.text for p in pieces("커피 한 잔")] == ["커피", "한", "잔"]
    assert [p.blank for p in pieces("slow  mornings")] == [False, True]


def test_a_long_text_without_blanks_is_broken_in_bounded_time() -> None:
    lines = breaking.breaks(pieces("茶" * 400), 6, WIDE)
    assert len(lines) <= 6
    assert "".join(lines) == "茶" * 400


@pytest.mark.parametrize("text", ["שלום", "سلام", "Hi שלום", "\u202eabc"])
def test_text_from_right_to_left_is_refused_though_a_font_may_have_it(text: str) -> None:
    with pytest.raises(CannotSet, match="right to left"):
        shaping.shaped(text, WIDE)


def test_drawing_stays_in_its_line_box_and_fractions_of_a_pixel_count() -> None:
    def drawn(x: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        image = Image.new("RGB", (400, 120), (255, 255, 255))
        shaping.draw(image, "Ågypx", LATIN, 60, (x, 80.0), (0, 0, 0))
        return np.asarray(image.convert("L"), dtype=np.uint8)

    dark = np.argwhere(drawn(20.0) < 128)
    assert dark[:, 0].min() >= 80 - 66
    assert dark[:, 0].max() <= 80 + 0.3 * 60
    assert 20 <= dark[:, 1].min() <= 26
    assert not np.array_equal(drawn(20.0), drawn(20.5))
    assert drawn(20.0).min() == 0


def test_text_at_the_border_does_not_fail() -> None:
    image = Image.new("RGB", (40, 30), (255, 255, 255))
    shaping.draw(image, "Wide text", LATIN, 40, (-15.0, 20.0), (0, 0, 0))
    assert np.asarray(image).min() == 0


def test_a_teams_folder_adds_its_fonts_and_says_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "own.otf").write_bytes(CJK.path.read_bytes())
    (tmp_path / "notes.txt").write_text("no font")
    faces = fonts.with_folder(tmp_path)
    assert [f.file for f in faces if not f.package] == [str((tmp_path / "own.otf").resolve())]
    assert fonts.with_folder(None) == fonts.here()
    engine = Typeset(renders.profile(EngineKind.TYPESET), lambda _: (), faces=(*fonts.ALL, faces[-1]))
    assert isinstance(engine.render([renders.request(texts=["寿司 BAR"])], {})[0], Rendered)
    assert isinstance(
        Typeset(renders.profile(EngineKind.TYPESET), lambda _: (), faces=fonts.ALL).render(
            [renders.request(texts=["寿司 BAR"])], {}
        )[0],
        RenderFailure,
    )
    (tmp_path / "broken.ttf").write_bytes(b"no font at all")
    with pytest.raises(BadConfig, match=r"broken\.ttf"):
        fonts.with_folder(tmp_path)
    with pytest.raises(BadConfig, match="PRESSCHECK_FONTS_DIR"):
        fonts.with_folder(tmp_path / "nowhere")


def test_another_set_of_faces_is_another_digest() -> None:
    profile = renders.profile(EngineKind.TYPESET)
    one = Typeset(profile, lambda _: (), faces=fonts.ALL).model_digest
    assert one != Typeset(profile, lambda _: (), faces=(*fonts.ALL, CJK)).model_digest


def test_every_look_falls_back_on_the_faces_given() -> None:
    for look in poster.LOOKS:
        assert look.among((CJK,)).head.others == (CJK,)
        assert look.among((CJK,)).body.others == (CJK,)
