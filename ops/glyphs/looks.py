"""Grounds, inks and lenses for the words that train the glyph check: decorated, but sound."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from ops.glyphs.damage import Ink, Random
from workers.checks.port import Pixels

Floats = npt.NDArray[np.float32]
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)


def painted(rng: Random, mask: Ink) -> Pixels:
    """A mask of ink as a picture: shape (height, width, 3)."""
    share = np.asarray(mask.astype(np.float32) / 255, np.float32)
    ground = _ground(rng, mask.shape[0], mask.shape[1])
    mean = ground.reshape(-1, 3).mean(axis=0)
    ink = _ink(rng, mean, float(rng.uniform(45, 110)))
    way = float(rng.random())
    if way < 0.3:
        out = _over(ground, share, ink)
    elif way < 0.4:
        out = _over(_shaded(rng, ground, share, mean), share, ink)
    elif way < 0.5:
        out = _neon(rng, ground * 0.35, share)
    elif way < 0.6:
        out = _embossed(rng, ground, share)
    elif way < 0.66:
        out = _over(ground, _ring(rng, share), ink)
    elif way < 0.72:
        out = _over(_over(ground, _grown(rng, share), _ink(rng, ink, 60)), share, ink)
    elif way < 0.82:
        out = _solid(rng, ground, share, ink)
    elif way < 0.9:
        out = _over(ground, _ragged(rng, share), np.clip(ink + _texture(rng, mask.shape[0], mask.shape[1], 25), 0, 255))
    else:
        out = _over(ground, share, np.clip(ink + _texture(rng, mask.shape[0], mask.shape[1], 30), 0, 255))
    return _taken(rng, out)


def _ink(rng: Random, ground: Floats, contrast: float) -> Floats:
    """A colour whose luma lies at least so many levels off the ground's."""
    base = float(ground @ _LUMA)
    for _ in range(60):
        ink = rng.uniform(0, 255, 3).astype(np.float32)
        if abs(float(ink @ _LUMA) - base) >= contrast:
            return ink
    return np.full(3, 255.0 if base < 128 else 0.0, np.float32)


def _texture(rng: Random, height: int, width: int, depth: float) -> Floats:
    """Noise of a grain that chance picks, shape (height, width, 1)."""
    grain = float(np.exp(rng.uniform(0, 3)))
    small = rng.normal(0, depth, (max(2, int(height / grain)), max(2, int(width / grain)))).astype(np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)[:, :, None]


def _ground(rng: Random, height: int, width: int) -> Floats:
    colour = rng.uniform(0, 255, 3).astype(np.float32)
    out = np.broadcast_to(colour, (height, width, 3)).astype(np.float32)
    way = float(rng.random())
    if way < 0.3:
        other = colour + rng.uniform(-70, 70, 3)
        ramp = (
            np.linspace(0, 1, width)[None, :, None] if rng.random() < 0.5 else np.linspace(0, 1, height)[:, None, None]
        )
        out = (out * (1 - ramp) + other * ramp).astype(np.float32)
    if way > 0.85:
        out = _cluttered(rng, out)
    if way > 0.55:
        out = out + _texture(rng, height, width, float(rng.uniform(3, 18)))
    return np.clip(out, 0, 255).astype(np.float32)


def _cluttered(rng: Random, ground: Floats) -> Floats:
    """Bars and blots behind the lettering, of colours not far from the ground's."""
    out = np.ascontiguousarray(ground, np.float32)
    height, width = (int(v) for v in ground.shape[:2])
    for _ in range(int(rng.integers(1, 5))):
        near = np.clip(np.asarray(out[0, 0], np.float64) + rng.uniform(-45, 45, 3), 0, 255).tolist()
        x, y, r = int(rng.integers(width)), int(rng.integers(height)), int(rng.integers(height // 8, height))
        if rng.random() < 0.5:
            cv2.circle(out, (x, y), r // 2, near, cv2.FILLED, cv2.LINE_AA)
        else:
            end = (int(rng.integers(width)), int(rng.integers(height)))
            cv2.line(out, (x, y), end, near, max(2, r // 8), cv2.LINE_AA)
    return out


def _over(ground: Floats, share: Floats, ink: Floats | np.float32) -> Floats:
    return (ground + share[:, :, None] * (ink - ground)).astype(np.float32)


def _soft(share: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(share, (0, 0), max(0.3, sigma)), np.float32)


def _unit(share: Floats) -> float:
    """About a twentieth of the lettering's height, pixels."""
    rows = np.flatnonzero(share.max(axis=1) > 0.4)
    return max(0.6, (len(rows) or share.shape[0]) / 22)


def _shaded(rng: Random, ground: Floats, share: Floats, mean: Floats) -> Floats:
    unit = _unit(share)
    moved = np.roll(share, tuple(int(v) for v in rng.integers(-2, 3, 2) * max(1, round(unit / 2))), (0, 1))
    tone = np.float32(0 if float(mean @ _LUMA) > 110 or rng.random() < 0.3 else 255)
    return _over(ground, _soft(moved, unit * float(rng.uniform(0.4, 2.0))) * float(rng.uniform(0.3, 0.8)), tone)


def _neon(rng: Random, ground: Floats, share: Floats) -> Floats:
    unit = _unit(share)
    hue = rng.uniform(40, 255, 3).astype(np.float32)
    hue[int(rng.integers(3))] = 255
    near = _soft(share, unit * float(rng.uniform(0.3, 0.7)))
    tube = np.clip(1.25 - np.abs(near - 0.5) * 3.2, 0, 1) if rng.random() < 0.5 else near
    glow = _soft(share, unit * float(rng.uniform(2, 5)))
    out = ground + glow[:, :, None] * hue * float(rng.uniform(0.3, 0.7))
    return np.clip(out + tube[:, :, None] * (0.5 * hue + 0.5 * 255 - out), 0, 255).astype(np.float32)


def _embossed(rng: Random, ground: Floats, share: Floats) -> Floats:
    unit = _unit(share)
    soft = _soft(share, unit * float(rng.uniform(0.3, 0.7)))
    by = max(1, round(unit * float(rng.uniform(0.3, 0.9))))
    edge = np.roll(soft, (-by, -by), (0, 1)) - np.roll(soft, (by, by), (0, 1))
    depth = float(rng.uniform(60, 110)) * (1 if rng.random() < 0.5 else -1)
    out = ground * 0.6 + 50 + depth * edge[:, :, None] + share[:, :, None] * float(rng.uniform(0, 25))
    return np.clip(out, 0, 255).astype(np.float32)


def _ring(rng: Random, share: Floats) -> Floats:
    size = max(3, round(_unit(share) * float(rng.uniform(1.2, 2.4)))) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.morphologyEx(share, cv2.MORPH_GRADIENT, kernel), np.float32)


def _grown(rng: Random, share: Floats) -> Floats:
    size = max(3, round(_unit(share) * float(rng.uniform(0.8, 1.8)))) | 1
    return np.asarray(cv2.dilate(share, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))), np.float32)


def _solid(rng: Random, ground: Floats, share: Floats, ink: Floats) -> Floats:
    """Letters with sides in shade, seen from one side, their faces lit from above."""
    depth = max(2, round(_unit(share) * float(rng.uniform(1.2, 3.2))))
    across, down = (int(v) for v in rng.integers(-1, 2, 2))
    sides = share
    for step in range(1, depth + 1):
        sides = np.maximum(sides, np.roll(share, (step * (down or 1), step * across), (0, 1)))
    far = np.float32(0 if float(ink @ _LUMA) > 90 else 255)
    ramp = np.linspace(0, float(rng.uniform(0, 0.45)), share.shape[0], dtype=np.float32)[:, None, None]
    halo = _soften(rng, ground, sides)
    out = _over(halo, sides, np.asarray(ink + (far - ink) * float(rng.uniform(0.4, 0.65)), np.float32))
    return (out + share[:, :, None] * (ink + (255 - far - ink) * ramp - out)).astype(np.float32)


def _soften(rng: Random, ground: Floats, share: Floats) -> Floats:
    """A dark halo, at times."""
    if rng.random() < 0.5:
        return ground
    return _over(ground, _soft(share, _unit(share) * 1.5) * 0.5, np.float32(0))


def _ragged(rng: Random, share: Floats) -> Floats:
    """Edges as of leaves or pebbles."""
    unit = _unit(share)
    cells = (max(2, round(share.shape[0] / (unit * 1.3))), max(2, round(share.shape[1] / (unit * 1.3))))
    noise = rng.normal(0, float(rng.uniform(0.15, 0.4)), cells).astype(np.float32)
    rough = cv2.resize(noise, (share.shape[1], share.shape[0]), interpolation=cv2.INTER_CUBIC)
    grown = np.clip((_soft(share, unit * 0.8) + rough * (share > 0.02) - 0.42) * 4 + 0.5, 0, 1).astype(np.float32)
    # The letter lies under them, so that no gap breaks a thin stroke.
    return np.maximum(grown, share)


def _taken(rng: Random, picture: Floats) -> Pixels:
    """As a camera, a renderer or a coder leaves it."""
    if rng.random() < 0.35:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 1.1))), np.float32)
    if rng.random() < 0.4:
        picture = picture + rng.normal(0, float(rng.uniform(1, 7)), picture.shape).astype(np.float32)
    out = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        _, coded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))])
        out = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return out
