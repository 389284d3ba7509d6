"""Words drawn for training the glyph check: any face, ground, ink and lens, some letters malformed, cut as a reader's.

A word is a pure function of its random generator and the face: the same fonts and the same libraries give the same
tiles. The letters go through `workers.checks.glyph_cut` as they will at work, its mistakes included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ops.glyphs.damage import DAMAGES, Ink, Random, damaged
from ops.glyphs.looks import painted
from schemas.events import Word
from workers.checks.glyph_cut import Cut, letters_of
from workers.checks.port import Pixels
from workers.engines.fonts import Face

EM: Final = 64
"""Pixels to the em at which a word is put together; the lens then gives it its size."""
ROOM: Final = 24
"""Pixels round a letter, for what damage adds."""
_TALL: Final = EM * 3 // 2 + 2 * ROOM
_BASE: Final = ROOM + EM * 11 // 10
SIZES: Final = (18.0, 88.0)
"""Em of the letters in the picture, pixels."""
DIRT: Final = 0.004
"""Ink taken for dirt, more than the check itself takes: that a small dot went astray in cutting is no damage."""
DAMAGED: Final = 0.26
"""Share of letters that are malformed."""

LATIN: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DIGITS: Final = "0123456789"
ACCENTED: Final = (
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿĀāĂăĄąĆćČčĎďĐđĒēĖėĘęĚě"
    "ĞğĢģĪīĮįİıĶķĹĺĻļĽľŁłŃńŅņŇňŐőŒœŔŕŘřŚśŞşŠšŢţŤťŪūŮůŰűŲųŹźŻżŽžȘșȚț"
)
CYRILLIC: Final = "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюяЁёЄєІіЇїҐґ"
GREEK: Final = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρςστυφχψωάέήίόύώΆΈΉΊΌΎΏ"
LETTERS: Final = LATIN + DIGITS + ACCENTED + CYRILLIC + GREEK
"""Letters that the check knows."""
_ALPHABETS: Final = (
    (LATIN, 0.46),
    (DIGITS, 0.2),
    (LATIN + DIGITS, 0.08),
    (ACCENTED, 0.1),
    (CYRILLIC, 0.1),
    (GREEK, 0.06),
)

SOUND: Final = "sound"


@dataclass(frozen=True, slots=True)
class Type:
    """One face of a family, at a weight where the file holds several."""

    family: str
    face: Face
    weight: int | None = None


def _types(family: str, package: str, files: Sequence[str], weights: Sequence[int] = ()) -> list[Type]:
    return [Type(family, Face(package, f"files/{f}"), w) for f in files for w in (weights or (None,))]


_SANS: Final = [f"SourceSansPro-{w}.ttf" for w in ("Light", "Semibold", "Black", "It", "SemiboldIt")]
_SERIF: Final = [f"SourceSerifPro-{w}.ttf" for w in ("Light", "Semibold", "Bold", "Black", "It", "SemiboldIt")]
_HANKEN: Final = [f"HankenGrotesk-{w}.otf" for w in ("Regular", "Bold", "MediumItalic")]

TRAINED: Final[tuple[Type, ...]] = (
    *_types("Manrope", "font_manrope", ("Manrope-Light.ttf", "Manrope-Medium.ttf", "Manrope-ExtraBold.ttf")),
    *_types("Source Sans Pro", "font_source_sans_pro", _SANS),
    *_types("Source Serif Pro", "font_source_serif_pro", _SERIF),
    *_types("Roboto", "font_roboto", [f"Roboto-{w}.ttf" for w in ("Thin", "Regular", "Bold", "Black", "MediumItalic")]),
    *_types("Noto Sans", "fontpkg_noto_sans", ("NotoSans[wdth,wght].ttf",), (300, 600, 900)),
    *_types("Noto Sans", "fontpkg_noto_sans", ("NotoSans-Italic[wdth,wght].ttf",), (500,)),
    *_types("Montserrat", "fontpkg_montserrat", ("Montserrat[wght].ttf",), (300, 600, 900)),
    *_types("Oswald", "fontpkg_oswald", ("Oswald[wght].ttf",), (300, 600)),
    *_types("Playfair Display", "fontpkg_playfair_display", ("PlayfairDisplay[wght].ttf",), (400, 800)),
    *_types("Playfair Display", "fontpkg_playfair_display", ("PlayfairDisplay-Italic[wght].ttf",), (600,)),
    *_types("Roboto Slab", "fontpkg_roboto_slab", ("RobotoSlab[wght].ttf",), (300, 800)),
    *_types("Lobster", "fontpkg_lobster", ("Lobster-Regular.ttf",)),
    *_types("Amatic SC", "font_amatic_sc", ("AmaticSC-Bold.ttf", "AmaticSC-Regular.ttf")),
    *_types("Permanent Marker", "fontpkg_permanent_marker", ("PermanentMarker-Regular.ttf",)),
    *_types("Josefin Sans", "fontpkg_josefin_sans", ("JosefinSans[wght].ttf",), (200, 600)),
    *_types("Quicksand", "fontpkg_quicksand", ("Quicksand[wght].ttf",), (400, 700)),
    *_types("Comfortaa", "fontpkg_comfortaa", ("Comfortaa[wght].ttf",), (600,)),
    *_types("Cinzel", "fontpkg_cinzel", ("Cinzel[wght].ttf",), (400, 900)),
    *_types("Dancing Script", "fontpkg_dancing_script", ("DancingScript[wght].ttf",), (600,)),
)  # fmt: skip
"""Families trained on. All are under the SIL Open Font License or the Apache License."""
HELD_OUT: Final[tuple[Type, ...]] = (
    *_types("Caladea", "font_caladea", ("Caladea-Regular.ttf", "Caladea-Bold.ttf", "Caladea-Italic.ttf")),
    *_types("Hanken Grotesk", "font_hanken_grotesk", _HANKEN),
    *_types("Lora", "fontpkg_lora", ("Lora[wght].ttf",), (400, 700)),
    *_types("Bebas Neue", "fontpkg_bebas_neue", ("BebasNeue-Regular.ttf",)),
    *_types("Fredoka", "fontpkg_fredoka", ("Fredoka[wdth,wght].ttf",), (400, 700)),
    *_types("Intuitive", "font_intuitive", ("Intuitive.ttf",)),
    *_types("Pacifico", "fontpkg_pacifico", ("Pacifico-Regular.ttf",)),
)  # fmt: skip
"""Whole families that training never sees: a serif, a grotesque, a book face, capitals, a round one, two hands."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture of one word, what a reader would say of it, and how each character was drawn.

    `kinds` holds SOUND, a damage, or nothing for a letter that a neighbour's damage may touch.
    """

    pixels: Pixels
    word: Word
    kinds: tuple[str, ...]

    def cuts(self) -> list[tuple[Cut, str]]:
        """The letters as the check cuts them out, each with how it was drawn."""
        return [(c, self.kinds[c.place]) for c in letters_of(self.pixels, self.word, DIRT)]


@cache
def _opened(kind: Type) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(str(kind.face.path), EM, layout_engine=ImageFont.Layout.BASIC)
    if kind.weight is not None:
        axes = font.get_variation_axes()
        font.set_variation_by_axes(
            [kind.weight if b"eight" in bytes(a["name"]) else int(a["default"]) for a in axes]  # type: ignore[arg-type]
        )
    return font


@cache
def _covered(kind: Type) -> Mapping[str, str]:
    """The letters of each alphabet that a face has."""
    return MappingProxyType({a: "".join(c for c in a if kind.face.covers(c)) for a, _ in _ALPHABETS})


@cache
def _glyph(kind: Type, letter: str) -> tuple[Ink, float]:
    """A letter on its own canvas, its pen at ROOM on the common baseline, and its advance in pixels."""
    font = _opened(kind)
    advance = font.getlength(letter)
    page = Image.new("L", (int(advance) + 2 * ROOM + 2, _TALL))
    ImageDraw.Draw(page).text((ROOM, _BASE), letter, fill=255, font=font, anchor="ls")
    return np.asarray(page), advance


def rendered(kind: Type, letter: str) -> Ink | None:
    """A letter alone, cut to its ink; None where the face lacks it."""
    if not kind.face.covers(letter):
        return None
    sheet, _ = _glyph(kind, letter)
    rows, cols = np.flatnonzero((sheet > 40).any(axis=1)), np.flatnonzero((sheet > 40).any(axis=0))
    if not len(rows):
        return None
    return np.ascontiguousarray(sheet[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1])


def text_for(rng: Random, kind: Type) -> str:
    """A line of letters that the face has, some of them again; no words, so that only shapes can be learnt."""
    names, shares = [a for a, _ in _ALPHABETS], np.array([s for _, s in _ALPHABETS])
    alphabet = ""
    while not alphabet:
        alphabet = _covered(kind)[names[int(rng.choice(len(names), p=shares / shares.sum()))]]
    count = int(rng.integers(3, 15))
    pool = [alphabet[int(i)] for i in rng.integers(0, len(alphabet), max(2, round(count * float(rng.uniform(0.5, 1)))))]
    text = "".join(pool[int(i)] for i in rng.integers(0, len(pool), count))
    if rng.random() < 0.35:
        text = "".join(c.upper() if c.upper() in alphabet else c for c in text)
    if count > 6 and rng.random() < 0.5:
        at = int(rng.integers(3, count - 2))
        text = text[:at] + " " + text[at:]
    return text


def draw(rng: Random, kind: Type, text: str | None = None, *, share: float = DAMAGED) -> Drawn:
    """One word in one face; `share` of its letters malformed, each in a way that chance picks."""
    text = text or text_for(rng, kind)
    tracking = EM * float(rng.uniform(-0.02, 0.12))
    pens, pen, sheets = list[float](), 0.0, list[Ink]()
    kinds = [SOUND] * len(text)
    for i, letter in enumerate(text):
        sheet, advance = _glyph(kind, letter)
        if letter != " " and rng.random() < share and sheet.any():
            name = list(DAMAGES)[int(rng.integers(len(DAMAGES)))]
            bad = damaged(rng, sheet, name)
            if bad is not None:
                sheet, kinds[i] = bad, name
        pens.append(pen)
        sheets.append(sheet)
        pen += advance + tracking
    for i, name in enumerate(list(kinds)):
        if name in ("added", "fused", "doubled", "sheared", "melted", "swollen"):
            for j in (i - 1, i + 1):
                if 0 <= j < len(kinds) and kinds[j] == SOUND:
                    kinds[j] = ""
    return _seen(rng, text, tuple(kinds), sheets, pens, pen)


def _seen(
    rng: Random, text: str, kinds: tuple[str, ...], sheets: Sequence[Ink], pens: Sequence[float], end: float
) -> Drawn:
    bends = _bends(rng, [(p + s.shape[1] / 2) / EM for p, s in zip(pens, sheets, strict=True)])
    reach = round(max(abs(drop) for _, drop in bends))
    line = np.zeros((_TALL + 2 * reach, int(end) + 2 * ROOM + EM), np.uint8)
    for sheet, pen, bend in zip(sheets, pens, bends, strict=True):
        drawn, low = (_turned(sheet, bend[0]) if bend[0] else sheet), reach + round(bend[1])
        spot = line[low : low + _TALL, round(pen) : round(pen) + sheet.shape[1]]
        np.maximum(spot, drawn[:, : spot.shape[1]], out=spot)
    line = _weighed(rng, line)
    rows, cols = np.flatnonzero(line.max(axis=1) > 100), np.flatnonzero(line.max(axis=0) > 100)
    top, bottom, left, right = rows[0], rows[-1] + 1, cols[0], cols[-1] + 1
    tall = float(bottom - top)
    matrix, size = _lens(rng, line.shape, EM)
    slack = tall * rng.uniform((-0.04, 0.0, -0.04, 0.0), (0.2, 0.22, 0.2, 0.22))
    x0, y0, x1, y1 = left - slack[0], top - slack[1], right + slack[2], bottom + slack[3]
    corners = np.array([[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]], np.float32)
    quad = cv2.perspectiveTransform(corners, matrix)[0]
    drift = float(rng.normal(0, 0.06)) * EM
    widths = np.diff([*pens, end])
    middles = [ROOM + p + w / 2 + drift + float(rng.normal(0, 0.05)) * EM for p, w in zip(pens, widths, strict=True)]
    centres = tuple(float(np.clip((m - x0) / (x1 - x0), 0, 1)) for m in middles)
    mask = cv2.warpPerspective(line, matrix, size, flags=cv2.INTER_AREA)
    pixels = painted(rng, np.asarray(mask, np.uint8))
    word = Word(text=text, confidence=0.99, box=tuple(float(v) for v in quad.ravel()), centres=centres)
    return Drawn(pixels, word, kinds)


def _bends(rng: Random, places: Sequence[float]) -> list[tuple[float, float]]:
    """For letters at places along a line, in ems: how far each turns clockwise, radians, and drops, pixels.

    Most lines are straight; some stand on an arc or a wave, which turns its letters by up to 25 degrees.
    """
    way = float(rng.random())
    middle = (places[0] + places[-1]) / 2
    if way < 0.08:
        bow = float(rng.uniform(-0.14, 0.14))
        turns = [float(np.clip(bow * (at - middle), -0.44, 0.44)) for at in places]
        return [(turn, turn * (at - middle) * EM / 2) for turn, at in zip(turns, places, strict=True)]
    if way < 0.22:
        begin, length = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(4, 9))
        rise = float(rng.uniform(0.1, 0.44)) * length / (2 * np.pi)
        angles = [2 * np.pi * at / length + begin for at in places]
        return [(float(np.arctan(rise * 2 * np.pi / length * np.cos(a))), rise * float(np.sin(a)) * EM) for a in angles]
    return [(0.0, 0.0)] * len(places)


def _turned(sheet: Ink, turn: float) -> Ink:
    """About the middle of its foot, clockwise by radians."""
    height, width = sheet.shape
    move = cv2.getRotationMatrix2D((width / 2, _BASE), -np.degrees(turn), 1.0)
    return np.asarray(cv2.warpAffine(sheet, move, (width, height)), np.uint8)


def _weighed(rng: Random, line: Ink) -> Ink:
    """A little bolder or lighter than the face, at times."""
    if rng.random() > 0.2:
        return line
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    return np.asarray(cv2.dilate(line, kernel) if rng.random() < 0.7 else cv2.erode(line, kernel[:, :2]), np.uint8)


def _lens(rng: Random, shape: tuple[int, ...], em: int) -> tuple[npt.NDArray[np.float64], tuple[int, int]]:
    """From the line to the picture: size, stretch, slant, turn and perspective; and the picture's width and height."""
    height, width = shape
    low, high = (float(np.log(np.float64(size))) for size in SIZES)
    scale = float(np.exp(np.float64(rng.uniform(low, high)))) / em
    stretch = float(rng.uniform(0.8, 1.25)) if rng.random() < 0.3 else 1.0
    slant = float(rng.uniform(-0.05, 0.3)) if rng.random() < 0.2 else 0.0
    turn = float(rng.normal(0, 0.1)) if rng.random() < 0.4 else 0.0
    cos, sin = np.cos(turn), np.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.array([[stretch, -slant], [0, 1]]) * scale
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    there = corners @ linear.T
    if rng.random() < 0.25:
        there += rng.uniform(-0.06, 0.06, (4, 2)) * height * scale * [3, 1]
    there -= there.min(axis=0) - 6
    far = there.max(axis=0) + 6
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), there.astype(np.float32))
    return np.asarray(matrix, np.float64), (int(far[0]) + 1, int(far[1]) + 1)
