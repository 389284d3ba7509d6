"""Composition: what a crop or the trimming would cut, what lies over what, and how well a picture is made.

Worked out from boxes and numbers that inspection measured. Nothing here rejects: it sends to a person and ranks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rules.findings import Found, Numbers
from schemas.events import Defect, Inspection, Job, RegionKind, RenderRequest, Word

CHECK: Final = "composition"
FRAMING: Final = "poor-framing"
DULL: Final = "dull-picture"
DETECTED: Final[Mapping[str, str]] = {FRAMING: CHECK, DULL: CHECK}
"""Failure modes reported here, with the check that shows each."""
RATIO: Final = re.compile(r"(\d{1,4}(?:\.\d{1,3})?):(\d{1,4}(?:\.\d{1,3})?)")
WIDEST: Final = 20.0
"""Crops wider or higher than this to one are strips; nobody means them."""
INSIDE: Final = 0.8
"""Share of a text box from which it belongs to the logo that it lies on: the letters of a wordmark."""
SCORE: Final[Mapping[str, float]] = {"placement": 0.35, "sharpness": 0.35, "range": 0.15, "margin": 0.15}
"""Weights of the parts of the score; they add up to 1. A judgement of ours, as for the aesthetic score."""
STRONG: Final = ((1 / 2, 1 / 2), (1 / 3, 1 / 3), (2 / 3, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 2 / 3))
"""Where a main subject stands well: the middle, and the crossings of the thirds."""
FAR: Final = 1 / 3
"""Distance from the nearest strong point, in shares of the sides, at which placement counts nothing."""
CRISP_PX: Final = 2.0
SOFT_PX: Final = 8.0
"""Widths of edges, pixels at a longer side of 512, at which sharpness counts full and nothing."""
FULL_RANGE: Final = 0.8
"""Range of lightness, as a share of full scale, that counts full."""
LEVEL: Final = 0.1
"""Slope up to which lettering stands level."""
TALL: Final = 4.0
"""Height of a straight line's box over the width of each letter, at most: narrow capitals come to 3."""
FULL_MARGIN: Final = 0.04
"""Least distance of text from the border, as a share of the shorter side, that counts full."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An upright rectangle, pixels; right and bottom are exclusive."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """Pixels inside; 0 where a side is negative."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def shared(self, other: Frame) -> float:
        """Pixels inside both."""
        return Frame(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        ).area

    def holds(self, other: Frame) -> bool:
        """Whether the other lies wholly inside."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )

    def shrunk(self, by: float) -> Frame:
        """The same with each side moved inwards by so many pixels."""
        return Frame(self.left + by, self.top + by, self.right - by, self.bottom - by)


@dataclass(frozen=True, slots=True)
class Item:
    """Something that must survive: text, a face or a logo, and what to call it.

    `seen` is the box as it was read; readers end it at the picture's edge, so that it tells what reaches there.
    """

    what: str
    name: str
    frame: Frame
    seen: Frame


def ratio_of(text: str) -> float | None:
    """Width over height of a crop such as 4:5 or 1.91:1; None where it is no ratio or a strip."""
    match = RATIO.fullmatch(text)
    if match is None:
        return None
    width, height = float(match[1]), float(match[2])
    if not (width and height):
        return None
    return width / height if 1 / WIDEST <= width / height <= WIDEST else None


def framing_reasons(job: Job) -> Iterator[str]:
    """Why a job is refused for its crops or its bleed."""
    for crop in job.crops:
        if ratio_of(crop) is None:
            yield f"The crop {crop!r} is no ratio; write width:height such as 4:5, between 1:20 and 20:1."
    shorter = min(job.width, job.height) * job.upscale
    if 4 * job.bleed_px > shorter:
        yield (
            f"A bleed of {job.bleed_px} pixels leaves less than half of a picture whose shorter side is {shorter};"
            f" ask for {shorter // 4} at most or a larger picture."
        )


def composition_defects(
    measured: Numbers,
    inspection: Inspection,
    request: RenderRequest,
    size: tuple[int, int],
    limits: Mapping[str, float],
) -> Found:
    """What a person should look at; `size` is the asset's width and height in pixels."""
    width, height = size
    whole = Frame(0, 0, width, height)
    text = _text(inspection, request, limits)
    faces, logos = _faces(inspection, limits), _logos(inspection)
    defects: list[Defect] = []
    for crop in request.job.crops:
        if (ratio := ratio_of(crop)) is not None:
            kept = cropped(whole, ratio)
            gone = [i for i in (*text, *logos) if not kept.holds(i.frame)]
            gone += [i for i in faces if kept.shared(i.frame) and not kept.holds(i.frame)]
            defects += [_framed(i, f"the crop to {crop} cuts", kept) for i in gone]
    if bleed := request.job.bleed_px:
        kept = whole.shrunk(bleed)
        gone = [i for i in (*text, *logos) if not kept.holds(i.frame)]
        defects += [_framed(i, f"the bleed of {bleed} pixels cuts", kept) for i in gone]
    least = limits["composition.margin_share_min"]
    defects += [
        _defect(FRAMING, margin, least, f"text {i.name!r} is cut by the picture's edge or all but touches it")
        for i in text
        if (margin := margin_of(i.seen, size)) < least
    ]
    defects += _overlaps(text, faces, logos, limits["composition.overlap_max"])
    softness = measured.get(CHECK, "edge_width_px")
    spread = measured.most(CHECK, "lightness_range", "colour_range")
    if softness is None or spread is None:
        return defects, [CHECK]
    if softness > (most := limits["composition.edge_width_max"]):
        wide = f"{softness:.1f} pixels wide at a longer side of 512, at most {most:g} is sharp"
        defects.append(_defect(DULL, softness, most, f"its sharpest edges are {wide}"))
    if spread < (least := limits["composition.lightness_range_min"]):
        evidence = (
            f"from its darkest to its lightest parts it spans {measured.get(CHECK, 'lightness_range') or 0:.0%} of"
            f" lightness, {least:.0%} is the least, and its colours are no farther apart"
        )
        defects.append(_defect(DULL, spread, least, evidence))
    return defects, []


def composition_score(
    measured: Numbers,
    inspection: Inspection,
    request: RenderRequest,
    size: tuple[int, int],
    limits: Mapping[str, float],
) -> float | None:
    """How well the picture is made, 0 to 1, for ranking; None where it was not measured."""
    softness, spread = measured.get(CHECK, "edge_width_px"), measured.get(CHECK, "lightness_range")
    x, y = measured.get(CHECK, "subject_x"), measured.get(CHECK, "subject_y")
    if softness is None or spread is None or x is None or y is None:
        return None
    off = min(((x - a) ** 2 + (y - b) ** 2) ** 0.5 for a, b in STRONG)
    margins = [margin_of(i.frame, size) for i in _text(inspection, request, limits)]
    worth = {
        "placement": 1 - off / FAR,
        "sharpness": (SOFT_PX - softness) / (SOFT_PX - CRISP_PX),
        "range": spread / FULL_RANGE,
        "margin": min(margins, default=1.0) / FULL_MARGIN,
    }
    return sum(SCORE[name] * min(1.0, max(0.0, value)) for name, value in worth.items())


def framing_doubt(
    inspection: Inspection, request: RenderRequest, size: tuple[int, int], limits: Mapping[str, float]
) -> float | None:
    """How near wanted lettering comes to the edge, and how much of it lies over faces and logos; None without any.

    1 where either is a defect. Of 140 sound pictures of the corpus with lettering that was read none came above 0.05.
    """
    text = _text(inspection, request, limits)
    if not text:
        return None
    near = FULL_MARGIN - limits["composition.margin_share_min"]
    edge = max((FULL_MARGIN - margin_of(i.seen, size)) / near for i in text)
    most = limits["composition.overlap_max"]
    over = [share for _, _, share in _shared(text, [*_faces(inspection, limits), *_logos(inspection)])]
    return max(edge, 0.0, *(share / most if most else float(share > 0) for share in over))


def cropped(whole: Frame, ratio: float) -> Frame:
    """The largest rectangle of a ratio about the middle."""
    width, height = whole.right - whole.left, whole.bottom - whole.top
    wide, high = min(width, height * ratio), min(height, width / ratio)
    left, top = whole.left + (width - wide) / 2, whole.top + (height - high) / 2
    return Frame(left, top, left + wide, top + high)


def margin_of(frame: Frame, size: tuple[int, int]) -> float:
    """Distance from the nearest border as a share of the shorter side; negative where it reaches over."""
    width, height = size
    return min(frame.left, frame.top, width - frame.right, height - frame.bottom) / min(size)


def frame_of(corners: Sequence[float]) -> Frame:
    """The upright rectangle round corners given as x0, y0, x1, y1 and so on."""
    xs, ys = corners[0::2], corners[1::2]
    return Frame(min(xs), min(ys), max(xs), max(ys))


def _text(inspection: Inspection, request: RenderRequest, limits: Mapping[str, float]) -> list[Item]:
    """Wanted lettering, each place once, as its ink stands: readers' boxes are wider by a part of their height."""
    wanted = [_letters(p.text) for p in request.text.phrases]
    out: list[Item] = []
    for read in inspection.reads:
        for word in read.words:
            if word.confidence >= limits["composition.text_confidence_min"] and _belongs(word, wanted):
                frame = frame_of(word.box)
                thin = min(frame.right - frame.left, frame.bottom - frame.top)
                ink = frame.shrunk(limits["composition.text_slack"] * thin)
                item = Item("text", word.text, ink, frame if _is_straight(word) else ink)
                if all(2 * item.frame.shared(o.frame) <= min(item.frame.area, o.frame.area) for o in out):
                    out.append(item)
    return out


def _is_straight(word: Word) -> bool:
    """Whether a box is as high as its letters: about a slope or an arc it stands over them, to the edge at times."""
    x0, y0, x1, y1 = word.box[:4]
    frame = frame_of(word.box)
    each = (frame.right - frame.left) / len(_letters(word.text))
    return abs(y1 - y0) <= LEVEL * abs(x1 - x0) and frame.bottom - frame.top <= TALL * each


def _belongs(word: Word, wanted: Sequence[str]) -> bool:
    """Whether its letters are a part of a phrase, or hold one."""
    seen = _letters(word.text)
    return bool(seen) and any(seen in phrase or (phrase and phrase in seen) for phrase in wanted)


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _faces(inspection: Inspection, limits: Mapping[str, float]) -> list[Item]:
    found = (r for r in inspection.regions if r.kind is RegionKind.FACE)
    sure = [r.box for r in found if r.score >= limits["composition.face_score_min"]]
    return [Item("face", "", f, f) for f in (Frame(b.left, b.top, b.right, b.bottom) for b in sure)]


def _logos(inspection: Inspection) -> list[Item]:
    return [Item("logo", "", f, f) for f in (frame_of(m.box) for m in inspection.logos if m.found and m.box)]


def _overlaps(text: Sequence[Item], faces: Sequence[Item], logos: Sequence[Item], most: float) -> list[Defect]:
    return [
        _defect(FRAMING, share, most, f"text {item.name!r} lies over a {other.what} by {share:.0%}")
        for item, other, share in _shared(text, [*faces, *logos])
        if share > most
    ]


def _shared(text: Sequence[Item], others: Sequence[Item]) -> Iterator[tuple[Item, Item, float]]:
    """Lettering, what it lies over, and their share of the smaller; letters of a logo belong to it."""
    for item in text:
        for other in others:
            both, smaller = item.frame.shared(other.frame), min(item.frame.area, other.frame.area)
            own = other.what == "logo" and both >= INSIDE * item.frame.area
            if both and smaller and not own:
                yield item, other, both / smaller


def _framed(item: Item, how: str, kept: Frame) -> Defect:
    over = max(
        kept.left - item.frame.left,
        kept.top - item.frame.top,
        item.frame.right - kept.right,
        item.frame.bottom - kept.bottom,
    )
    name = f"{item.what} {item.name!r}" if item.name else f"a {item.what}"
    return _defect(FRAMING, over, 0, f"{how} {name} by {over:.0f} pixels")


def _defect(mode: str, value: float, threshold: float, evidence: str) -> Defect:
    return Defect(mode=mode, check=CHECK, value=value, threshold=threshold, evidence=evidence[:2000], certain=False)
