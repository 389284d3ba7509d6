"""Words on a page with the box and centres that an exact reader gives, for the tests of the glyph check."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from schemas.events import Word
from workers.checks.port import Pixels
from workers.engines import fonts

TEXT = "HOUSE 27"


def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(fonts.SANS.path), size)


def drawn(ink: str = "black", ground: str = "white", text: str = TEXT, size: int = 60) -> tuple[Pixels, Word]:
    """A word on a page, with the box and centres that an exact reader gives."""
    face = font(size)
    page = Image.new("RGB", (int(face.getlength(text)) + 80, size * 2), ground)
    ImageDraw.Draw(page).text((40, size // 2), text, fill=ink, font=face)
    left, top, right, bottom = ImageDraw.Draw(page).textbbox((40, size // 2), text, font=face)
    ends = [40 + face.getlength(text[:n]) for n in range(len(text) + 1)]
    centres = tuple(((a + b) / 2 - left) / (right - left) for a, b in pairwise(ends))
    box = (left, top, right, top, right, bottom, left, bottom)
    word = Word(text=text, confidence=0.99, box=tuple(float(v) for v in box), centres=centres)
    return np.array(page, np.uint8), word


def turned(pixels: Pixels, word: Word, degrees: float) -> tuple[Pixels, Word]:
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    side = int(np.hypot(width, height)) + 2
    matrix[:, 2] += [(side - width) / 2, (side - height) / 2]
    out = cv2.warpAffine(pixels, matrix, (side, side), borderValue=[int(v) for v in pixels[0, 0]])
    corners = np.array(word.box).reshape(4, 2) @ matrix[:, :2].T + matrix[:, 2]
    box = tuple(float(v) for v in corners.ravel())
    return np.asarray(out, np.uint8), Word(text=word.text, confidence=1.0, box=box, centres=word.centres)
