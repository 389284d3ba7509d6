"""A layout file: JSON that says where phrases and logos go, in fractions of the picture. Refused with the mend."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

from schemas.events import FileRole, RenderRequest
from workers.engines.logos import BadFile
from workers.engines.placement import Box

MOST_BYTES: Final = 65_536
MOST_BOXES: Final = 64
_ALIGN: Final[Mapping[str, float]] = {"left": 0.0, "centre": 0.5, "center": 0.5, "right": 1.0}
_SIDES: Final = ("left", "top", "right", "bottom")
_EXAMPLE: Final = '{"boxes": [{"for": "text", "phrase": 0, "left": 0.1, "top": 0.1, "right": 0.9, "bottom": 0.4}]}'


class For(StrEnum):
    """What a box is for."""

    TEXT = "text"
    LOGO = "logo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place for one phrase or logo, by its number from 0; sides are fractions of width and height.

    `align` is 0 for left, 0.5 centred, 1 right; None leaves it to the look.
    """

    what: For
    number: int
    left: float
    top: float
    right: float
    bottom: float
    align: float | None

    def box(self, size: tuple[int, int]) -> Box:
        """The place in a picture of a size, pixels."""
        wide, high = size
        return round(self.left * wide), round(self.top * high), round(self.right * wide), round(self.bottom * high)


def slots_of(request: RenderRequest, files: Mapping[str, bytes]) -> tuple[Slot, ...]:
    """The slots of all layout files of a request. Raises BadFile naming file, field and mend."""
    phrases = len(request.text.phrases)
    logos = sum(ref.role is FileRole.LOGO for ref in request.job.files)
    out: list[Slot] = []
    taken: dict[tuple[For, int], str] = {}
    for ref in request.job.files:
        if ref.role is not FileRole.LAYOUT:
            continue
        data = files.get(ref.sha256)
        if data is None:
            raise BadFile(f"the layout {ref.name!r} ({ref.sha256[:12]}…) did not come with the request")
        for n, slot in enumerate(parse(data, ref.name, phrases=phrases, logos=logos)):
            if other := taken.get((slot.what, slot.number)):
                raise BadFile(f"{ref.name}: boxes[{n}] places {slot.what} {slot.number} again; {other} has it already")
            taken[slot.what, slot.number] = ref.name
            out.append(slot)
    if (both := _overlapping(out)) is not None:
        one, two = (f"{slot.what} {slot.number} of {taken[slot.what, slot.number]}" for slot in both)
        raise BadFile(f"the boxes for {one} and {two} overlap; move one or make it smaller")
    return tuple(out)


def parse(data: bytes, name: str, *, phrases: int, logos: int) -> list[Slot]:
    """The slots of one file for a job of so many phrases and logos. Raises BadFile."""
    if len(data) > MOST_BYTES:
        raise BadFile(f"{name}: {len(data)} bytes, a layout has at most {MOST_BYTES}")
    try:
        whole: object = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise BadFile(f"{name} is no JSON ({e}); write {_EXAMPLE}") from e
    boxes = cast("Mapping[str, object]", whole).get("boxes") if isinstance(whole, dict) else None
    if not isinstance(boxes, list) or not boxes or set(cast("dict[str, object]", whole)) != {"boxes"}:
        raise BadFile(f'{name}: want one field "boxes", a list with at least one box; write {_EXAMPLE}')
    entries = cast("list[object]", boxes)
    if len(entries) > MOST_BOXES:
        raise BadFile(f"{name}: {len(entries)} boxes, at most {MOST_BOXES}")
    counts = {For.TEXT: phrases, For.LOGO: logos}
    return [_slot(entry, f"{name}: boxes[{n}]", counts) for n, entry in enumerate(entries)]


def _slot(entry: object, where: str, counts: Mapping[For, int]) -> Slot:
    if not isinstance(entry, dict):
        raise BadFile(f"{where} is no object; write {_EXAMPLE}")
    fields = cast("dict[str, Any]", entry)
    if fields.get("for") not in list(For):
        raise BadFile(f'{where}.for is {json.dumps(fields.get("for"))}, want "text" or "logo"')
    what = For(fields["for"])
    key = "phrase" if what is For.TEXT else "logo"
    known = {"for", key, *_SIDES, *(("align",) if what is For.TEXT else ())}
    if strange := sorted(set(fields) - known):
        raise BadFile(f"{where}.{strange[0]} is not known; a {what} box has {', '.join(sorted(known))}")
    number = fields.get(key, 0)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < counts[what]:
        held = f"0 to {counts[what] - 1}" if counts[what] else f"none: the job has no {key}, leave the box away"
        raise BadFile(f"{where}.{key} is {json.dumps(number)}, want {held}")
    if (align := fields.get("align")) is not None and align not in list(_ALIGN):
        raise BadFile(f"{where}.align is {json.dumps(align)}, want left, centre or right")
    left, top, right, bottom = (_side(fields, side, where) for side in _SIDES)
    if left >= right or top >= bottom:
        raise BadFile(f"{where} has no area: left must be less than right, and top less than bottom")
    return Slot(
        what=what,
        number=number,
        left=left,
        top=top,
        right=right,
        bottom=bottom,
        align=None if align is None else _ALIGN[align],
    )


def _side(fields: Mapping[str, Any], side: str, where: str) -> float:
    value = fields.get(side)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadFile(f"{where}.{side} is {json.dumps(value)}, want a fraction from 0 to 1 of the picture")
    return float(value)


def _overlapping(slots: Sequence[Slot]) -> tuple[Slot, Slot] | None:
    """Two slots that share room, or None."""
    for n, one in enumerate(slots):
        for two in slots[n + 1 :]:
            if one.left < two.right and two.left < one.right and one.top < two.bottom and two.top < one.bottom:
                return one, two
    return None
