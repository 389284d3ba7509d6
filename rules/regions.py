"""Where a picture is redone when only its lettering is wrong: the boxes of the words at fault, grown and merged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rules.text_verdict import EXTRA, WRONG, at_fault
from rules.thresholds import Thresholds
from rules.tree import Node
from rules.units import bounds
from schemas.events import Box, Defect, Edit, FileRole, Inspection, Rendering, RenderRequest, Word

MENDABLE: Final = frozenset({WRONG, EXTRA})
"""Failure modes that stand in a place. Text that is missing has none."""
BOXES_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """How boxes are redone.

    `strength` is how far they may leave the source, 0 to 1. `margin` widens each box on every side, as a share of
    the height of its lettering. Beyond `share_max` of the picture there is too little left to keep.
    """

    strength: float
    margin: float
    share_max: float


def parse_region(node: Node) -> Region:
    """text_region of ladder.yml. Raises BadConfig."""
    f = node.fields(["strength", "margin", "share_max"])
    return Region(
        strength=f["strength"].number(0.05, 1), margin=f["margin"].number(0, 4), share_max=f["share_max"].number(0, 1)
    )


def text_edit(
    request: RenderRequest,
    rendering: Rendering,
    inspection: Inspection,
    defects: Sequence[Defect],
    region: Region,
    thresholds: Thresholds,
) -> Edit | None:
    """What to redo of an attempt whose certain defects are all of its lettering, or None where that mends nothing.

    Boxes are pixels of the asset, so one that finishing enlarged is not mended: what is kept would be shrunk and
    enlarged again. What was mended once is not mended again. Where a mask says what may be redone, lettering outside
    it is the client's own, so nothing else is redone.
    """
    asset, job = rendering.asset, request.job
    certain = {d.mode for d in defects if d.certain}
    if request.edit is not None or asset is None or not certain or not certain <= MENDABLE:
        return None
    if (asset.width, asset.height) != (job.width, job.height) or any(f.role is FileRole.MASK for f in job.files):
        return None
    words = at_fault(inspection.reads, request, thresholds, asset.height)
    boxes = merged(grown(words, region.margin, asset.width, asset.height))
    area = sum((b.right - b.left) * (b.bottom - b.top) for b in boxes)
    if not 1 <= len(boxes) <= BOXES_MAX or area > region.share_max * asset.width * asset.height:
        return None
    return Edit(source_sha256=asset.sha256, boxes=tuple(boxes), strength=region.strength)


def grown(words: Iterable[Word], margin: float, width: int, height: int) -> list[Box]:
    """A box round each word with a margin, inside the picture; words outside it are left out."""
    out: list[Box] = []
    for word in words:
        left, top, right, bottom = bounds(word)
        more = margin * (bottom - top)
        box = Box(
            left=min(max(0, math.floor(left - more)), width),
            top=min(max(0, math.floor(top - more)), height),
            right=min(max(0, math.ceil(right + more)), width),
            bottom=min(max(0, math.ceil(bottom + more)), height),
        )
        if box.left < box.right and box.top < box.bottom:
            out.append(box)
    return out


def merged(boxes: Iterable[Box]) -> list[Box]:
    """Boxes that share no pixel, from the top down; those that do become one round both."""
    out: list[Box] = []
    for box in boxes:
        whole = box
        while (hit := next((b for b in out if _meet(b, whole)), None)) is not None:
            out.remove(hit)
            whole = Box(
                left=min(whole.left, hit.left),
                top=min(whole.top, hit.top),
                right=max(whole.right, hit.right),
                bottom=max(whole.bottom, hit.bottom),
            )
        out.append(whole)
    return sorted(out, key=lambda b: (b.top, b.left))


def _meet(a: Box, b: Box) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom
