"""What an overlay draws on the picture: letters, regions, logos, what a crop leaves, and labels that keep apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Final

from PIL import Image, ImageDraw

from ops.overlay_text import RGB, Caption
from schemas.events import Box, Glyph, Inspection, Judgement, Letter, LetterState, RegionKind, Verdict

INK: Final[RGB] = (24, 26, 30)
PAPER: Final[RGB] = (255, 255, 255)
GLYPHS: Final = "glyphs"


class Mark(Enum):
    """What is marked: its name in the legend and its colour."""

    RIGHT = ("right letter", (0, 158, 80))
    WRONG = ("wrong letter, the wanted one beside it", (214, 24, 42))
    MISSING = ("missing letter", (214, 24, 43))
    EXTRA = ("text too many", (240, 130, 0))
    READ = ("read", (30, 110, 220))
    WEAK = ("malformed letter", (190, 40, 190))
    FACE = ("face", (120, 60, 220))
    BODY = ("body", (90, 100, 200))
    SUBJECT = ("main subject", (0, 140, 170))
    MARK = ("mark like a logo", (150, 100, 0))
    LOGO = ("supplied logo", (0, 120, 110))
    CROP = ("crop asked for", (70, 74, 82))
    BLEED = ("may be trimmed", (160, 60, 60))

    @property
    def label(self) -> str:
        """For the legend."""
        return self.value[0]

    @property
    def colour(self) -> RGB:
        """Of its lines."""
        return self.value[1]


VERDICTS: Final[dict[Verdict, RGB]] = {
    Verdict.ACCEPT: (0, 128, 64),
    Verdict.REVIEW: (184, 108, 0),
    Verdict.REJECT: (190, 22, 36),
}
_STATES: Final = {
    LetterState.RIGHT: Mark.RIGHT,
    LetterState.WRONG: Mark.WRONG,
    LetterState.MISSING: Mark.MISSING,
    LetterState.EXTRA: Mark.EXTRA,
}
_REGIONS: Final = {
    RegionKind.FACE: Mark.FACE,
    RegionKind.BODY: Mark.BODY,
    RegionKind.SUBJECT: Mark.SUBJECT,
    RegionKind.MARK: Mark.MARK,
}
SURE: Final = 0.5
"""Score from which a main subject or a logo-like mark is shown; the report lists all."""
Rect = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the composition was asked to survive: ratios as width over height with their names, and bleed, pixels."""

    crops: tuple[tuple[str, float], ...] = ()
    bleed_px: int = 0


class Drawing:
    """A picture that is marked. `scale` is pixels of the drawing for one of the asset."""

    def __init__(self, art: Image.Image, scale: float) -> None:
        self.art, self.scale = art, scale
        self.used: list[Mark] = []
        self._pen = ImageDraw.Draw(art)
        self._taken: list[Rect] = []
        side = min(art.size)
        self.points = round(min(38.0, max(14.0, side / 50)))
        self.line = max(2, round(side / 450))

    def mark(self, inspection: Inspection, judgement: Judgement, asked: Asked) -> None:
        """Everything that was found, the least important below."""
        self._crops(asked)
        for region in inspection.regions:
            if region.kind in (RegionKind.SUBJECT, RegionKind.MARK) and region.score < SURE:
                continue  # a guess about an empty page says nothing to a designer
            self._frame(_REGIONS[region.kind], region.box, f"{_REGIONS[region.kind].label} {region.score:.2f}")
        for logo in inspection.logos:
            if logo.box:
                self._polygon(Mark.LOGO, logo.box, f"logo {logo.score:.2f}")
        if not judgement.letters and inspection.reads:
            for word in inspection.reads[-1].words:
                self._polygon(Mark.READ, word.box, word.text)
        # Letters count as malformed where the ruleset said so, and below its bound.
        bound = max((d.threshold for d in judgement.defects if d.check == GLYPHS), default=0.0)
        self._weak([g for g in inspection.glyphs if g.health < bound])
        self._letters(judgement.letters)

    def _letters(self, letters: Sequence[Letter]) -> None:
        def of(*states: LetterState) -> Iterable[tuple[Letter, Rect]]:
            return ((x, self._rect(x.box)) for x in letters if x.state in states and x.box is not None)

        for _, rect in of(LetterState.RIGHT):
            self._note(Mark.RIGHT)
            self._pen.rectangle(rect, outline=Mark.RIGHT.colour, width=max(1, self.line // 2))
        bad = list(of(LetterState.WRONG, LetterState.EXTRA, LetterState.MISSING))
        for letter, rect in bad:
            mark = _STATES[letter.state]
            self._note(mark)
            if letter.state is LetterState.MISSING:
                self._caret(rect)
            else:
                self._pen.rectangle(_grown(rect, self.line), outline=PAPER, width=1)
                self._pen.rectangle(rect, outline=mark.colour, width=self.line + 1)
            self._taken.append(rect)
        for mark, rect, wanted in _tags(bad):
            self._label(mark, rect, wanted.strip() or "blank", large=bool(wanted.strip()))

    def _weak(self, glyphs: Sequence[Glyph]) -> None:
        for glyph in glyphs:
            self._note(Mark.WEAK)
            rect = _grown(self._rect(glyph.box), self.line * 2)
            self._pen.ellipse(rect, outline=Mark.WEAK.colour, width=self.line)
            self._label(Mark.WEAK, rect, f"{glyph.letter} {glyph.health:.2f}")

    def _crops(self, asked: Asked) -> None:
        width, height = self.art.size
        if asked.bleed_px:
            by = asked.bleed_px * self.scale
            self._note(Mark.BLEED)
            self._dashed((by, by, width - 1 - by, height - 1 - by), Mark.BLEED.colour)
        for name, ratio in asked.crops:
            wide, high = min(width, height * ratio), min(height, width / ratio)
            rect = ((width - wide) / 2, (height - high) / 2, (width + wide) / 2 - 1, (height + high) / 2 - 1)
            self._note(Mark.CROP)
            self._dashed(rect, Mark.CROP.colour)
            self._tag(Mark.CROP, (rect[0] + self.points / 2, rect[1] + self.points / 2), Caption(name, self.points))

    def _frame(self, mark: Mark, box: Box, text: str) -> None:
        rect = self._rect(box)
        self._note(mark)
        self._pen.rectangle(rect, outline=mark.colour, width=self.line)
        self._tag(mark, (rect[0], rect[1]), Caption(text, self.points))

    def _polygon(self, mark: Mark, box: Sequence[float], text: str) -> None:
        corners = [(x * self.scale, y * self.scale) for x, y in zip(box[::2], box[1::2], strict=True)]
        self._note(mark)
        self._pen.polygon(corners, outline=mark.colour, width=self.line)
        xs, ys = [c[0] for c in corners], [c[1] for c in corners]
        self._label(mark, (min(xs), min(ys), max(xs), max(ys)), text)

    def _caret(self, rect: Rect) -> None:
        """A caret below the place where a letter should stand, and a thin line through the gap."""
        middle, foot = (rect[0] + rect[2]) / 2, rect[3]
        reach = self._reach(rect)
        self._pen.line((middle, rect[1], middle, foot), fill=Mark.MISSING.colour, width=self.line)
        tips = [(middle - reach, foot + reach), (middle, foot), (middle + reach, foot + reach)]
        self._pen.line(tips, fill=PAPER, width=self.line * 2 + 3, joint="curve")
        self._pen.line(tips, fill=Mark.MISSING.colour, width=self.line * 2, joint="curve")

    def _reach(self, rect: Rect) -> float:
        """Half the width of a caret."""
        return min(max(self.line * 4.0, (rect[3] - rect[1]) * 0.16), self.points * 1.2)

    def _label(self, mark: Mark, rect: Rect, text: str, *, large: bool = False) -> None:
        """A tag above what it speaks of; below it, or further up, where another stands already."""
        caption = Caption(text, round(self.points * 1.25) if large else self.points, strong=large)
        high, gap = self._tag_height(caption), self.line + 1
        middle = (rect[0] + rect[2]) / 2 - self._tag_width(caption) / 2
        above, below = rect[1] - high - gap, rect[3] + gap
        if mark is Mark.MISSING:
            below += self._reach(rect) + self.line
        places = [(middle, above), (middle, below)]
        places += [(middle, above - n * (high + 1)) for n in range(1, 5)]
        places += [(middle, below + n * (high + 1)) for n in range(1, 5)]
        for place in places:
            if self._free(place, caption):
                self._tag(mark, place, caption)
                return
        self._tag(mark, places[0], caption)

    def _free(self, at: tuple[float, float], caption: Caption) -> bool:
        x, y = at
        right, bottom = x + self._tag_width(caption), y + self._tag_height(caption)
        if y < 0 or bottom > self.art.height:
            return False
        return not any(x < r and right > left and y < b and bottom > t for left, t, r, b in self._taken)

    def _tag(self, mark: Mark, at: tuple[float, float], caption: Caption) -> None:
        wide, high = self._tag_width(caption), self._tag_height(caption)
        x = min(max(0.0, at[0]), max(0.0, self.art.width - wide))
        y = min(max(0.0, at[1]), max(0.0, self.art.height - high))
        self._pen.rounded_rectangle((x, y, x + wide, y + high), high / 5, fill=mark.colour, outline=PAPER, width=1)
        caption.draw(self._pen, x + caption.points * 0.35, y + caption.points * 1.02, PAPER)
        self._taken.append((x, y, x + wide, y + high))

    @staticmethod
    def _tag_width(caption: Caption) -> float:
        return caption.width + caption.points * 0.7

    @staticmethod
    def _tag_height(caption: Caption) -> float:
        return caption.points * 1.36

    def _dashed(self, rect: Rect, colour: RGB) -> None:
        left, top, right, bottom = rect
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        dash = self.line * 6.0
        for (x0, y0), (x1, y1) in pairwise(corners):
            long = math.hypot(x1 - x0, y1 - y0)
            for n in range(math.ceil(long / (2 * dash))):
                a, b = 2 * n * dash / long, min(1.0, (2 * n + 1) * dash / long)
                ends = (x0 + (x1 - x0) * a, y0 + (y1 - y0) * a, x0 + (x1 - x0) * b, y0 + (y1 - y0) * b)
                self._pen.line(ends, fill=PAPER, width=self.line + 2)
                self._pen.line(ends, fill=colour, width=self.line)

    def _rect(self, box: Box) -> Rect:
        left, top, right, bottom = (v * self.scale for v in (box.left, box.top, box.right, box.bottom))
        return left, top, max(left, right - 1), max(top, bottom - 1)

    def _note(self, mark: Mark) -> None:
        if mark not in self.used:
            self.used.append(mark)


def _tags(bad: Sequence[tuple[Letter, Rect]]) -> Iterable[tuple[Mark, Rect, str]]:
    """One for each wrong letter; letters that are missing in one place share one."""
    missing: dict[Rect, str] = {}
    for letter, rect in bad:
        if letter.state is LetterState.WRONG:
            yield Mark.WRONG, rect, letter.wanted
        elif letter.state is LetterState.MISSING:
            missing[rect] = missing.get(rect, "") + letter.wanted
    for rect, wanted in missing.items():
        yield Mark.MISSING, rect, wanted


def _grown(rect: Rect, by: float) -> Rect:
    return rect[0] - by, rect[1] - by, rect[2] + by, rect[3] + by
