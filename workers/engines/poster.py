"""Puts blocks of text on a picture: where it is calm or a layout says, in an ink that can be read there."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from PIL import Image

from workers.engines import contrast, fonts, placement
from workers.engines.fonts import Face
from workers.engines.palette import RGB, Palette, ratio
from workers.engines.placement import Box, Calm
from workers.engines.shaping import Style
from workers.engines.typography import Block, NoRoom, baseline, draw_block, set_block

MARGIN: Final = 0.075
"""Free border on each side, as a share of the shorter side."""
MEDIA_TYPE: Final = "image/png"
_HARDEST: Final = 0.6
"""Weight of the busiest line beside the whole block: one line across an outline spoils the rest."""
_TORN: Final = 15.0
"""Cost of a list whose rows do not stand on a line each."""
LARGEST: Final = 0.17
"""Largest size of an em where the engine places the text: a share of the side of a square of the picture's area."""
_WIDE: Final = 1.7
"""That square's side is at most so many times the shorter side."""
LARGEST_GIVEN: Final = 0.30
"""Largest size of an em in a box that a layout gives, as a share of the shorter side."""
_ROUNDS: Final = 3
"""Scrims laid after each other where one lightens what another darkened."""
_COLUMNS: Final = ((1.0, 0.36, 0.5), (0.62, 0.60, 0.68), (0.46, 0.74, 0.80))
"""Columns that text is tried in: share of the width, and of the height for up to two phrases and for more."""
_SCALES: Final = (0.8, 0.64)
"""Sizes that each column is tried in beside the largest that fits, as shares of it."""
_SMALLER: Final = 36.0
"""Cost of a setting by the share that it is smaller than the largest, beside the picture's mean cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A typographic style: the headline's, the other phrases', and the alignment (0 left, 0.5 centred, 1 right)."""

    head: Style
    body: Style
    align: float

    def among(self, faces: Sequence[Face]) -> Look:
        """The look with these faces to show what its own lack."""
        others = tuple(faces)
        return replace(self, head=replace(self.head, others=others), body=replace(self.body, others=others))


def _look(head: Style, body: Style, align: float) -> Look:
    return Look(head=head, body=body, align=align)


def _style(face: Face, tracking: float, leading: float, share: float = 1.0) -> Style:
    return Style(face=face, others=fonts.ALL, tracking=tracking, leading=leading, share=share)


LOOKS: Final[tuple[Look, ...]] = (
    _look(_style(fonts.DISPLAY, -0.012, 1.08), _style(fonts.SANS, 0.01, 1.22, 0.40), 0.0),
    _look(_style(fonts.SERIF, 0.0, 1.08), _style(fonts.SANS, 0.02, 1.22, 0.38), 0.5),
    _look(_style(fonts.SANS_BLACK, 0.012, 1.06), _style(fonts.SERIF_TEXT, 0.0, 1.25, 0.38), 0.0),
    _look(_style(fonts.DISPLAY, 0.02, 1.14), _style(fonts.SERIF_TEXT, 0.0, 1.25, 0.40), 0.5),
)


def styles_for(look: Look, phrases: Sequence[str]) -> list[Style]:
    """A list of equals is set in one size; otherwise the first phrase leads."""
    if len(phrases) > 2 and max(map(len, phrases)) <= 2 * min(map(len, phrases)):
        return [replace(look.head, leading=1.2, share=1.0)] * len(phrases)
    return [look.head] + [look.body] * (len(phrases) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A block, the upper left corner it is drawn at (pixels), and its alignment."""

    block: Block
    at: tuple[float, float]
    align: float

    @property
    def box(self) -> Box:
        """Where it stands."""
        x, y = self.at
        return round(x), round(y), round(x + self.block.width), round(y + self.block.height)

    def lines(self) -> list[Box]:
        """What lies under each line, from its ascenders to its descenders, pixels."""
        out: list[Box] = []
        for line in self.block.lines:
            left, base = self.at[0] + (self.block.width - line.width) * self.align, self.at[1] + baseline(line)
            top, bottom = int(base - 0.8 * line.size), int(base + 0.25 * line.size)
            out.append((int(left), top, int(left + line.width) + 1, bottom))
        return out


def arranged(image: Image.Image, phrases: Sequence[str], look: Look, calm: Calm, taken: Sequence[Box] = ()) -> Setting:
    """Phrases where the picture is calm, off the boxes taken. Raises CannotSet."""
    styles = styles_for(look, phrases)
    found = _settings(image.size, calm, phrases, styles, look.align, taken)
    cost, _, setting = min(found, key=lambda f: f[:2])
    if math.isinf(cost):
        raise NoRoom("the text does not fit beside what the layout places; give it a box of its own or more room")
    return setting


def arranged_in(image: Image.Image, phrases: Sequence[str], look: Look, box: Box, align: float | None) -> Setting:
    """Phrases as large as fits into a box that a layout gives. Raises CannotSet."""
    width, height = box[2] - box[0], box[3] - box[1]
    block = set_block(phrases, styles_for(look, phrases), width, height, LARGEST_GIVEN * min(image.size))
    side = look.align if align is None else align
    at = (box[0] + (width - block.width) * side, box[1] + (height - block.height) * 0.5)
    return Setting(block=block, at=at, align=side)


def _settings(
    size: tuple[int, int],
    calm: Calm,
    phrases: Sequence[str],
    styles: Sequence[Style],
    align: float,
    taken: Sequence[Box],
) -> list[tuple[float, int, Setting]]:
    """Ways to set the phrases, each with its cost and number. Raises CannotSet where there is none."""
    edge = MARGIN * min(size)
    room = (size[0] - 2 * edge, size[1] - 2 * edge)
    largest = LARGEST * min(_WIDE * min(size), math.sqrt(size[0] * size[1]))
    blocks: list[tuple[Block, float]] = []
    failure: NoRoom | None = None
    for wide, few, many in _COLUMNS:
        box = (room[0] * wide, room[1] * (few if len(phrases) < 3 else many))
        try:
            blocks.append((set_block(phrases, styles, *box, largest), wide))
            fitting = blocks[-1][0].lines[0].size
            blocks += [(set_block(phrases, styles, *box, fitting * scale), wide) for scale in _SCALES]
        except NoRoom as e:
            failure = failure or e
    found: list[tuple[float, int, Setting]] = []
    tallest = max((block.lines[0].size for block, _ in blocks), default=1)
    for n, (block, wide) in enumerate(blocks):
        # Centred text stands in the middle of the page unless it has a column.
        width = room[0] if wide == 1.0 and align == 0.5 else block.width
        spot = placement.calmest(calm, (width, block.height), size, edge=edge, taken=taken)
        # Where all is busy a small block finds a quiet patch by chance; text is to be seen all the same.
        small = (_SMALLER + float(calm.cost.mean())) * (1.0 - block.lines[0].size / tallest)
        torn = _TORN if styles[-1].share == 1.0 and len(block.lines) > len(phrases) > 1 else 0.0
        left, top, right, _ = spot.box
        setting = Setting(block=block, at=(left + (right - left - block.width) * align, top), align=align)
        hardest = _HARDEST * max(calm.mean(line) for line in setting.lines())
        found.append((spot.cost + hardest + small + torn, n, setting))
    if not found:
        raise failure or NoRoom("the text does not fit the picture")
    return found


def draw(image: Image.Image, settings: Sequence[Setting], palette: Palette) -> None:
    """Draw blocks in inks that can be read where they stand, over scrims where no ink can."""
    for _ in range(_ROUNDS):
        # All scrims before all letters: a scrim fades over what stands near it.
        shades = [(s, contrast.legible(image, s.lines(), palette)[1]) for s in settings]
        for setting, shade in shades:
            if shade is not None:
                whole = (setting.box, *setting.lines())
                low, high = ([pick(b[n] for b in whole) for n in side] for pick, side in ((min, (0, 1)), (max, (2, 3))))
                contrast.scrim(image, (low[0], low[1], high[0], high[1]), *shade)
        if all(shade is None for _, shade in shades):
            break
    for setting in settings:
        ink, _ = contrast.legible(image, setting.lines(), palette)
        inks = _inks(image, setting, ink, palette)
        draw_block(image, setting.block, *setting.at, align=setting.align, inks=inks)


def _inks(image: Image.Image, setting: Setting, ink: RGB, palette: Palette) -> list[RGB]:
    """The headline in the ink; the smaller lines in an accent where that can be read as well."""
    lines = setting.block.lines
    small = [box for box, line in zip(setting.lines(), lines, strict=True) if line.style.share < 0.9]
    over = contrast.ground(image, small)
    body = next((a for a in palette.accents if ratio(a, ink) > 1.3 and over.readable(a)), ink) if small else ink
    return [ink if line.style.share >= 0.9 else body for line in lines]


def encode(image: Image.Image) -> bytes:
    """PNG bytes, sRGB."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
