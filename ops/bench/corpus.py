"""The drawn corpus: pictures with lettering from seeds, sound or damaged in a known way, and pictures without any.

Picture `n` of a split is a pure function of both; index 2n is the sound one, 2n + 1 its damaged twin, drawn with the
same words, faces, colours and ground. The same bytes come out wherever the same fonts, Pillow and NumPy are installed.

It lies here and not with the tests because `presscheck bench inspect --corpus` is part of the product: whoever changes
a threshold measures on the same pictures as we do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import Image

from ops.bench import corpus_faces, corpus_inks, corpus_malformed, corpus_words
from ops.bench.corpus_inks import colour
from ops.bench.corpus_kinds import Damage, Kind, Split
from ops.bench.corpus_layout import Laid, lay
from ops.bench.corpus_letters import Box, Mask, box_of, raster
from ops.bench.corpus_looks import FAINT, READABLE, flat, grained, ink_on, photo, scene, shapes, textured
from ops.bench.corpus_words import Random, Script, phrases, pick
from workers.checks.port import Pixels
from workers.engines import fonts, palette
from workers.engines.fonts import Face
from workers.engines.palette import RGB

ORDER: Final = (*Kind, Kind.NO_TEXT, Kind.PLAIN, Kind.LAYOUT, Kind.NO_TEXT)
"""Kinds of successive pictures; what the goals say most of comes more often."""
_SIZES: Final = ((1024, 1024), (768, 1024), (1024, 768), (896, 896))
_SCRIPTS: Final = MappingProxyType(
    {Kind.DIACRITICS: Script.DIACRITICS, Kind.CYRILLIC: Script.CYRILLIC, Kind.GREEK: Script.GREEK, Kind.CJK: Script.CJK}
)
_GRAINED: Final = frozenset({Kind.TEXTURED, Kind.SCENE, Kind.NO_TEXT, Kind.PERSPECTIVE, Kind.PHOTO})
_SPELLING: Final = MappingProxyType(
    {
        Damage.WRONG_LETTER: corpus_words.wrong_letter,
        Damage.DROPPED_LETTER: corpus_words.dropped_letter,
        Damage.DOUBLED_LETTER: corpus_words.doubled_letter,
        Damage.SWAPPED_LETTERS: corpus_words.swapped_letters,
        Damage.LOOK_ALIKE: corpus_words.look_alike,
        Damage.SPLIT_WORD: corpus_words.split_word,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One picture. `expected` are the phrases of its contract, in reading order; `shown` what was drawn.

    `boxes` says where each phrase shown stands, in pixels.
    """

    split: Split
    index: int
    kind: Kind
    damage: Damage | None
    expected: tuple[str, ...]
    shown: tuple[str, ...]
    pixels: Pixels
    boxes: tuple[Box, ...]


def has_cjk() -> bool:
    """Whether a font for Chinese and Japanese is here; without it those pictures are Greek ones."""
    return any(face.covers("夏") for face in fonts.here())


def sample(split: Split, index: int, size: tuple[int, int] | None = None, *, damage: Damage | None = None) -> Sample:
    """The picture of an index from 0 up; `size` is width and height where the seed is not to choose it.

    With `damage` every twin has that one instead of its turn's; pictures without text keep theirs.
    """
    number, damaged = divmod(index, 2)
    kind = ORDER[number % len(ORDER)]
    if kind is Kind.CJK and not has_cjk():
        kind = Kind.GREEK
    # One damage after another for each kind in turn, shifted so that a short run sees all of them.
    damage = damage or tuple(Damage)[(number + number // len(ORDER)) % len(Damage)]
    if kind is Kind.NO_TEXT:
        damage = Damage.EXTRA_WORDS
    if kind is Kind.CJK and damage is Damage.SPLIT_WORD:
        damage = Damage.WRONG_LETTER  # there a gap between two characters is no error
    words, look, placing, spoiling = (_random(split, number, part) for part in ("words", "look", "placing", "spoiling"))
    size = size or pick(look, _SIZES)
    script = _SCRIPTS.get(kind, Script.LATIN)
    faces = _faces(placing, kind, telling=damage is Damage.LOOK_ALIKE)
    capitals = False if kind is Kind.SCRIPT else None
    count = _count(kind, words)
    figures = damage is Damage.LOOK_ALIKE
    expected = () if kind is Kind.NO_TEXT else phrases(words, script, count, figures=figures, capitals=capitals)
    if expected and corpus_faces.only_capitals(faces[0]):
        expected = (expected[0].upper(), *expected[1:])
    shown = spoilt(spoiling, expected, damage, script) if damaged else expected
    laid = lay(placing, kind, shown, size, faces)
    pixels, boxes = _painted(look, kind, laid, size, spoiling if damaged and damage is Damage.MALFORMED else None)
    return Sample(
        split=split,
        index=index,
        kind=kind,
        damage=damage if damaged else None,
        expected=expected,
        shown=shown,
        pixels=pixels,
        boxes=boxes,
    )


def _random(split: Split, number: int, part: str) -> Random:
    """A stream of its own for each part, so that damage moves nothing else."""
    digest = hashlib.sha256(f"corpus/{split.value}/{number}/{part}".encode()).digest()
    return np.random.default_rng(list(digest))


def _faces(rng: Random, kind: Kind, *, telling: bool) -> tuple[Face, Face]:
    """Of the first phrase and of the others; with `telling` those whose digits no one takes for letters."""
    upright, head = corpus_faces.upright(), corpus_faces.upright()
    match kind:
        case Kind.SLANTED:
            upright = head = corpus_faces.SLANTED
        case Kind.SCRIPT:
            head = corpus_faces.script()
        case Kind.BLOBS | Kind.EXTRUDED | Kind.OUTLINED:
            head = corpus_faces.HEAVY
        case _:
            pass
    if telling:
        upright, head = (corpus_faces.telling(pool) or pool for pool in (upright, head))
    return pick(rng, head), pick(rng, upright)


def _count(kind: Kind, rng: Random) -> int:
    if kind in (Kind.LAYOUT, Kind.SMALL_PRINT):
        return int(rng.integers(3, 5))
    if kind is Kind.CIRCULAR:
        return 2
    return int(rng.integers(1, 4))


def spoilt(rng: Random, asked: tuple[str, ...], damage: Damage, script: Script) -> tuple[str, ...]:
    """The phrases as a damaged twin shows them; malformed letters are still the same text."""
    if damage is Damage.MALFORMED:
        return asked
    if damage is Damage.EXTRA_WORDS:
        while True:
            extra = phrases(rng, Script.LATIN, 2)[1]
            if extra not in asked:
                return (*asked, extra)
    for at in rng.permutation(len(asked)):
        bad = _SPELLING[damage](rng, asked[int(at)], script)
        if bad != asked[int(at)]:
            return (*asked[: int(at)], bad, *asked[int(at) + 1 :])
    raise ValueError(f"{asked} gives no hold for {damage}")


def _painted(
    rng: Random, kind: Kind, laid: Laid, size: tuple[int, int], spoiling: Random | None
) -> tuple[Pixels, tuple[Box, ...]]:
    """The picture and the box of each phrase; with `spoiling` one letter of one phrase is malformed."""
    art, ground = _ground(rng, kind, size)
    ink = ink_on(rng, ground, FAINT if kind is Kind.LOW_CONTRAST else (READABLE, 21.0))
    if kind in (Kind.SCENE, Kind.PHOTO):
        ink = max(palette.WHITE, palette.BLACK, key=lambda c: palette.ratio(ground, c))
    bad = -1 if spoiling is None else corpus_malformed.where(laid.lines, spoiling)
    boxes: list[Box] = []
    head, rest = np.zeros_like(laid.furniture), laid.furniture
    for i, placed in enumerate(laid.lines):
        if spoiling is not None and i == bad:
            mask = corpus_malformed.with_malformed(spoiling, placed, size)
        else:
            mask = raster(placed, size)
        if (box := box_of(mask)) is not None:
            boxes.append(laid.seen(box))
        if i == 0:
            head = mask
        else:
            rest = np.maximum(rest, mask)
    pixels = np.asarray(art)
    if boxes:
        em = max(p.size for p in laid.lines[0])
        pixels = _inked(rng, kind, pixels, (laid.warped(head), laid.warped(rest)), ink, em)
    if kind in _GRAINED and rng.random() < 0.6:
        pixels = grained(rng, pixels)
    return pixels, tuple(boxes)


def _ground(rng: Random, kind: Kind, size: tuple[int, int]) -> tuple[Image.Image, RGB]:
    if kind is Kind.TEXTURED:
        return textured(rng, size)
    if kind is Kind.SCENE:
        return scene(rng, size)
    if kind is Kind.PHOTO:
        return photo(rng, size)
    if kind is Kind.NO_TEXT:
        art, ground = pick(rng, (scene, scene, textured, flat, photo))(rng, size)
        shapes(rng, art)
        return art, ground
    if kind is Kind.EMBOSSED:
        ground = colour(rng, 80, 190)
        return Image.new("RGB", size, ground), ground
    if kind in (Kind.SCRIPT, Kind.WAVY, Kind.OUTLINED) and rng.random() < 0.4:
        return textured(rng, size)
    art, ground = flat(rng, size, dark=True if kind is Kind.NEON else None)
    if kind in (Kind.PLAIN, Kind.CURVED):
        shapes(rng, art)
    return art, ground


def _inked(rng: Random, kind: Kind, art: Pixels, masks: tuple[Mask, Mask], ink: RGB, em: float) -> Pixels:
    """The first phrase and the rest of the lettering on the art; `em` is the size of the first, pixels."""
    head, rest = masks
    whole = np.maximum(head, rest)
    match kind:
        case Kind.NEON:
            return corpus_inks.neon(rng, art, whole)
        case Kind.EMBOSSED:
            return corpus_inks.embossed(rng, art, whole)
        case Kind.SCENE | Kind.NO_TEXT | Kind.PHOTO:
            return corpus_inks.shadowed(art, whole, ink)
        case Kind.EXTRUDED:
            return corpus_inks.extruded(rng, corpus_inks.plain_ink(art, rest, ink), head, ink, em)
        case Kind.OUTLINED:
            return corpus_inks.outlined(rng, corpus_inks.plain_ink(art, rest, ink), head, ink, em)
        case Kind.BLOBS:
            return corpus_inks.shaped(rng, corpus_inks.plain_ink(art, rest, ink), head, ink, em)
        case Kind.SCRIPT | Kind.WAVY | Kind.CURVED if rng.random() < 0.5:
            return corpus_inks.blended(rng, corpus_inks.plain_ink(art, rest, ink), head, ink)
        case _:
            return corpus_inks.plain_ink(art, whole, ink)
