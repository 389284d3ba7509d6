"""Draws an inspection on its picture: a box round every line that was read, and the verdict above."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from schemas.events import Inspection, Judgement, Verdict
from workers.checks.decode import decode
from workers.checks.port import Decoded

COLOURS: Final = {Verdict.ACCEPT: (0, 140, 60), Verdict.REVIEW: (200, 130, 0), Verdict.REJECT: (200, 20, 30)}
LOOKS: Final = ((0, 110, 220), (200, 0, 160), (0, 150, 120))
"""Colours of the boxes of the first, second and third look."""
SIDE: Final = 2000
"""Larger pictures are drawn at this long side."""


def draw_overlay(file: Path, inspection: Inspection, judgement: Judgement, target: Path) -> None:
    """Write the drawing as PNG; a file that does not decode gives a grey frame with the verdict."""
    image = decode(file.read_bytes())
    pixels = image.pixels if isinstance(image, Decoded) else np.full((512, 512, 3), 128, dtype=np.uint8)
    art = Image.fromarray(pixels)
    scale = min(1.0, SIDE / max(art.size))
    art = art.resize((max(1, round(art.width * scale)), max(1, round(art.height * scale))))
    points = max(14, art.width // 60)
    lines = [judgement.verdict.value.upper(), *(d.evidence for d in judgement.defects[:8])]
    band = int(points * 1.5) * len(lines) + points
    sheet = Image.new("RGB", (art.width, art.height + band), "white")
    sheet.paste(art, (0, band))
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(points)
    for i, line in enumerate(lines):
        ink = COLOURS[judgement.verdict] if i == 0 else (20, 20, 20)
        pen.text((points, points // 2 + i * int(points * 1.5)), line[:200], font=font, fill=ink)
    for look, read in enumerate(inspection.reads):
        colour = LOOKS[look % len(LOOKS)]
        for word in read.words:
            corners = [(x * scale, y * scale + band) for x, y in zip(word.box[::2], word.box[1::2], strict=True)]
            pen.polygon(corners, outline=colour, width=2)
            pen.text((corners[0][0], max(0, corners[0][1] - points)), word.text, font=font, fill=colour)
    sheet.save(target, "PNG")
