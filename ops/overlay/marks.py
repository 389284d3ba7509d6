"""What an overlay draws on the picture: letters, regions, logos, what a crop leaves, and labels that keep apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from PIL import Image, ImageDraw

from ops.overlay.captions import RGB, Caption
from ops.overlay.shapes import PAPER, Rect, Shape, caret_reach, draw_polygon, draw_shape, grown
from schemas.events import Box, Glyph, Inspection, Judgement, Letter, LetterState, RegionKind, Verdict

INK: Final[RGB] = (24, 26, 30)
GLYPHS: Final = "glyphs"


class Mark(Enum):
    """What is marked: its name in the legend, its colour, and the shape that tells it without colour."""

    RIGHT = ("right letter", (0, 114, 178), Shape.LINE)
    WRONG = ("wrong letter, with the wanted one", (204, 32, 24), Shape.BOX)
    MISSING = ("missing letter", (204, 32, 25), Shape.CARET)
    EXTRA = ("text that nobody asked for", (180, 88, 0), Shape.DASHED)
    READ = ("what was read", (30, 100, 210), Shape.BOX)
    WEAK = ("malformed letter", (160, 40, 160), Shape.ELLIPSE)
    FACE = ("face", (110, 60, 210), Shape.CORNERS)
    BODY = ("body", (80, 90, 190), Shape.CORNERS)
    SUBJECT = ("main subject", (0, 118, 145), Shape.DOTTED)
    MARK = ("looks like a logo", (130, 86, 0), Shape.BOX)
    LOGO = ("supplied logo", (0, 116, 108), Shape.BOX)
    CROP = ("crop asked for", (70, 74, 82), Shape.DASHED)
    BLEED = ("may be trimmed", (160, 60, 60), Shape.DASHED)

    @property
    def label(self) -> str:
        """For the legend."""
        return self.value[0]

    @property
    def colour(self) -> RGB:
        """Of its lines."""
        return self.value[1]

    @property
    def shape(self) -> Shape:
        """How it is drawn."""
        return self.value[2]


VERDICTS: Final[dict[Verdict, RGB]] = {
    Verdict.ACCEPT: (0, 120, 60),
    Verdict.REVIEW: (168, 96, 0),
    Verdict.REJECT: (190, 22, 36),
}
_REGIONS: Final = {
    RegionKind.FACE: Mark.FACE,
    RegionKind.BODY: Mark.BODY,
    RegionKind.SUBJECT: Mark.SUBJECT,
    RegionKind.MARK: Mark.MARK,
}
_FAULTS: Final = frozenset({Mark.WRONG, Mark.MISSING, Mark.EXTRA, Mark.WEAK})
"""Drawn a little bolder than the rest."""
SURE: Final = {RegionKind.FACE: 0.65, RegionKind.BODY: 0.65, RegionKind.SUBJECT: 0.5, RegionKind.MARK: 0.5}
"""Scores from which regions are shown, those from which the ruleset in config/ counts them; the report lists all."""


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
            kind = region.kind
            if region.score < SURE[kind]:
                continue  # a guess about an empty page says nothing to a designer
            if kind is RegionKind.SUBJECT and not (asked.crops or asked.bleed_px):
                continue  # where it stands matters to what is cut off
            self._frame(_REGIONS[kind], region.box)
        for logo in inspection.logos:
            if logo.box:
                self._polygon(Mark.LOGO, logo.box, f"logo, {logo.score:.0%} alike")
        if all(x.box is None for x in judgement.letters):
            for word in next((r.words for r in reversed(inspection.reads) if r.words), ()):
                self._polygon(Mark.READ, word.box, word.text)
        self._letters(judgement.letters)
        # Letters count as malformed where the ruleset said so, and below its bound.
        bound = max((d.threshold for d in judgement.defects if d.check == GLYPHS), default=0.0)
        self._weak([g for g in inspection.glyphs if g.health < bound], judgement.letters)

    def _letters(self, letters: Sequence[Letter]) -> None:
        def of(*states: LetterState) -> list[tuple[Letter, Rect]]:
            return [(x, self._rect(x.box)) for x in letters if x.state in states and x.box is not None]

        for _, rect in of(LetterState.RIGHT):
            self._shape(Mark.RIGHT, rect)
        bad = of(LetterState.WRONG, LetterState.MISSING)
        for rect in _together(of(LetterState.EXTRA)):
            self._shape(Mark.EXTRA, rect)
            self._taken.append(rect)
        for letter, rect in bad:
            self._shape(Mark.WRONG if letter.state is LetterState.WRONG else Mark.MISSING, rect)
            self._taken.append(rect)
        blanks = [(x, rect) for x, rect in of(LetterState.EXTRA) if x.seen.isspace()]
        for mark, rect, text in _tags([*bad, *blanks]):
            self._label(mark, rect, text.strip() or "blank", large=bool(text.strip()))

    def _weak(self, glyphs: Sequence[Glyph], letters: Sequence[Letter]) -> None:
        extra = [x.box for x in letters if x.state is LetterState.EXTRA and x.box is not None]
        for glyph in glyphs:
            if any(_meet(glyph.box, box) for box in extra):
                continue  # how text is formed that has to go says nothing
            rect = grown(self._rect(glyph.box), self.line * 2)
            self._shape(Mark.WEAK, rect)
            self._label(Mark.WEAK, rect, f"{glyph.letter}?")

    def _crops(self, asked: Asked) -> None:
        width, height = self.art.size
        if asked.bleed_px:
            by = asked.bleed_px * self.scale
            self._shape(Mark.BLEED, (by, by, width - 1 - by, height - 1 - by))
        for name, ratio in asked.crops:
            wide, high = min(width, height * ratio), min(height, width / ratio)
            rect = ((width - wide) / 2, (height - high) / 2, (width + wide) / 2 - 1, (height + high) / 2 - 1)
            self._shape(Mark.CROP, rect)
            self._tag(Mark.CROP, (rect[0] + self.points / 2, rect[1] + self.points / 2), Caption(name, self.points))

    def _frame(self, mark: Mark, box: Box) -> None:
        rect = self._rect(box)
        self._shape(mark, rect)
        self._tag(mark, (rect[0], rect[1]), Caption(mark.label, self.points))

    def _shape(self, mark: Mark, rect: Rect) -> None:
        self._note(mark)
        draw_shape(self._pen, mark.shape, rect, mark.colour, self.line + (mark in _FAULTS))

    def _polygon(self, mark: Mark, box: Sequence[float], text: str) -> None:
        corners = [(x * self.scale, y * self.scale) for x, y in zip(box[::2], box[1::2], strict=True)]
        self._note(mark)
        draw_polygon(self._pen, corners, mark.colour, self.line)
        xs, ys = [c[0] for c in corners], [c[1] for c in corners]
        self._label(mark, (min(xs), min(ys), max(xs), max(ys)), text)

    def _label(self, mark: Mark, rect: Rect, text: str, *, large: bool = False) -> None:
        """A tag above what it speaks of; below it, or further up, where another stands already."""
        caption = Caption(text, round(self.points * 1.25) if large else self.points, strong=large)
        high, gap = _tag_height(caption), self.line + 1
        middle = (rect[0] + rect[2]) / 2 - _tag_width(caption) / 2
        above, below = rect[1] - high - gap, rect[3] + gap
        if mark is Mark.MISSING:
            below += caret_reach(rect, self.line) + self.line
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
        right, bottom = x + _tag_width(caption), y + _tag_height(caption)
        if y < 0 or bottom > self.art.height:
            return False
        return not any(x < r and right > left and y < b and bottom > t for left, t, r, b in self._taken)

    def _tag(self, mark: Mark, at: tuple[float, float], caption: Caption) -> None:
        wide, high = _tag_width(caption), _tag_height(caption)
        x = min(max(0.0, at[0]), max(0.0, self.art.width - wide))
        y = min(max(0.0, at[1]), max(0.0, self.art.height - high))
        self._pen.rounded_rectangle((x, y, x + wide, y + high), high / 5, fill=mark.colour, outline=PAPER, width=1)
        caption.draw(self._pen, x + caption.points * 0.35, y + caption.points * 1.02, PAPER)
        self._taken.append((x, y, x + wide, y + high))

    def _rect(self, box: Box) -> Rect:
        left, top, right, bottom = (v * self.scale for v in (box.left, box.top, box.right, box.bottom))
        return left, top, max(left, right - 1), max(top, bottom - 1)

    def _note(self, mark: Mark) -> None:
        if mark not in self.used:
            self.used.append(mark)


def _tag_width(caption: Caption) -> float:
    return caption.width + caption.points * 0.7


def _tag_height(caption: Caption) -> float:
    return caption.points * 1.36


def _tags(bad: Sequence[tuple[Letter, Rect]]) -> Iterable[tuple[Mark, Rect, str]]:
    """One for each wrong letter and each blank too many; letters that are missing in one place share one."""
    missing: dict[Rect, str] = {}
    for letter, rect in bad:
        if letter.state is LetterState.WRONG:
            yield Mark.WRONG, rect, letter.wanted
        elif letter.state is LetterState.EXTRA:
            yield Mark.EXTRA, rect, letter.seen
        else:
            missing[rect] = missing.get(rect, "") + letter.wanted
    for rect, wanted in missing.items():
        yield Mark.MISSING, rect, wanted


def _together(extra: Sequence[tuple[Letter, Rect]]) -> list[Rect]:
    """One rectangle for the letters of a line that belong to no phrase; one for each letter too many in a phrase."""
    out: list[Rect] = []
    phrase = 0
    for letter, rect in extra:
        if out and letter.phrase < 0 and phrase < 0 and _beside(out[-1], rect):
            last = out[-1]
            out[-1] = min(last[0], rect[0]), min(last[1], rect[1]), max(last[2], rect[2]), max(last[3], rect[3])
        else:
            out.append(rect)
        phrase = letter.phrase
    return out


def _beside(a: Rect, b: Rect) -> bool:
    """Whether b goes on with the line of a, across or down."""
    across = min(a[3], b[3]) - max(a[1], b[1]) > min(a[3] - a[1], b[3] - b[1]) / 2
    down = min(a[2], b[2]) - max(a[0], b[0]) > min(a[2] - a[0], b[2] - b[0]) / 2
    gap = max(b[0] - a[2], a[0] - b[2]) if across else max(b[1] - a[3], a[1] - b[3])
    return (across or down) and gap < (b[3] - b[1] if across else b[2] - b[0])


def _meet(a: Box, b: Box) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom
