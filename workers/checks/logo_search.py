"""Where a logo is: scale-invariant features first, and its outline at every size and turn where it has too few.

Features: SIFT (Lowe, Distinctive image features from scale-invariant keypoints, 2004) with his ratio test, and a
similarity fitted by RANSAC. A flat mark has few corners, so its edges are slid over the picture's edges next. Either
way what comes out is a guess, which is refined to an affine map by enhanced correlation (Evangelidis and Psarakis,
Parametric image alignment using enhanced correlation coefficient maximization, 2008) and scored by how well the edges
agree, whatever the colours are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

import cv2
import numpy as np
import numpy.typing as npt

from workers.checks.logo_file import LogoFile
from workers.checks.port import Pixels

CV: Final = cast("Any", cv2)
"""Its stubs know neither the kinds of numbers in an array nor that a mask may be None."""

Plane = npt.NDArray[np.float32]
"""One plane, shape (height, width)."""
Affine = npt.NDArray[np.float64]
"""2 by 3, from pixels of the logo (as `LogoFile` holds it) to pixels of the picture."""

FEATURE_SIDE: Final = 1024
"""Longer side of the picture that features are taken from."""
FEATURES_MAX: Final = 4000
RATIO: Final = 0.8
"""Lowe's ratio: the best match counts where it is so much nearer than the second."""
REPROJECTION_PX: Final = 4.0
INLIERS_MIN: Final = 5
EDGE_CAP: Final = 96.0
"""Levels a pixel from which an edge counts full: a soft outline says as much as a hard one."""
LEVELS: Final = (
    (512, 1.5, (0.07, 0.08, 0.091, 0.104, 0.118, 0.135, 0.154, 0.176)),
    (256, 2.0, (0.20, 0.228, 0.26, 0.297, 0.34, 0.387, 0.44, 0.5, 0.57, 0.65, 0.74)),
)
"""Longer side of the picture, blur that forgives half a step, and longer sides of the logo as shares of the picture's
shorter one."""
BARE: Final = 0.25
"""A place whose edges deviate by less than this share of the logo's own is bare, whatever correlates there."""
TURNS: Final = (-15.0, -10.0, -5.0, 5.0, 10.0, 15.0)
"""Degrees that marks without features are turned by, beside none."""
PEAKS: Final = 2
"""Places kept of each size and turn."""
REFINED_MAX: Final = 8
"""Guesses of the outline that are refined."""
REFINED_SIDE: Final = 96.0
"""Root of the area, pixels, at which a logo is refined: a long wordmark needs its height."""
LEAST_SIDE: Final = 24
STRETCH_MAX: Final = 1.6
"""What is stretched more is another thing."""
SURE: Final = 0.8
"""Score from which nothing else is looked for."""
ROUNDS: Final = 60


@dataclass(frozen=True, slots=True)
class Hit:
    """A place, and how well the edges agree there: zero-mean normalised correlation, 0 to 1."""

    affine: Affine
    score: float


@dataclass(frozen=True)
class Scene:
    """A picture in the sizes that the search needs, each made once."""

    pixels: Pixels

    @cached_property
    def features(self) -> tuple[Plane, npt.NDArray[np.float32], float]:
        """Places (n, 2) and descriptors (n, 128) of its features, in a picture this many times smaller."""
        small, factor = self.at(FEATURE_SIDE)
        return (*features(small, FEATURES_MAX), factor)

    def at(self, side: float) -> tuple[Pixels, float]:
        """The picture with its longer side at most so many pixels, and its size over the original's."""
        return shrunk(self.pixels, side / max(self.pixels.shape[:2]))


def shrunk(pixels: Pixels, factor: float) -> tuple[Pixels, float]:
    """The picture by a factor, and the factor; as it is where that is 1 or more."""
    if factor >= 1:
        return pixels, 1.0
    size = (max(8, round(pixels.shape[1] * factor)), max(8, round(pixels.shape[0] * factor)))
    return np.asarray(CV.resize(pixels, size, interpolation=CV.INTER_AREA), dtype=np.uint8), factor


def locate(logo: LogoFile, scene: Scene) -> Hit | None:
    """The best place, or None where there is none at all."""
    best: Hit | None = None
    for guesses in (_by_features(logo, scene), _by_outline(logo, scene, (0.0,)), _by_outline(logo, scene, TURNS)):
        for guess in itertools.islice(guesses, REFINED_MAX):
            hit = refined(logo, scene, guess)
            if hit is not None and (best is None or hit.score > best.score):
                best = hit
        if best is not None and best.score >= SURE:
            break
    return best


def features(pixels: Pixels, most: int) -> tuple[Plane, npt.NDArray[np.float32]]:
    """Places (n, 2) and descriptors (n, 128)."""
    grey = CV.cvtColor(pixels, CV.COLOR_RGB2GRAY)
    points, described = CV.SIFT.create(nfeatures=most, contrastThreshold=0.02).detectAndCompute(grey, None)
    if not points:
        return np.zeros((0, 2), dtype=np.float32), np.zeros((0, 128), dtype=np.float32)
    return np.array([p.pt for p in points], dtype=np.float32), np.asarray(described, dtype=np.float32)


def edges(pixels: Pixels) -> Plane:
    """Steepest slope over the three channels, capped, 0 to 1: the same for light on dark and dark on light."""
    planes = pixels.astype(np.float32)
    across = CV.Sobel(planes, CV.CV_32F, 1, 0, ksize=3)
    down = CV.Sobel(planes, CV.CV_32F, 0, 1, ksize=3)
    # The root once, of the steepest, and channel by channel: along three of them it takes five times as long.
    slope = np.sqrt(np.maximum.reduce(CV.split(across * across + down * down))) / 8
    return np.minimum(slope / EDGE_CAP * 2, 1).astype(np.float32)


def outline(logo: LogoFile, pad: int = 0) -> Plane:
    """Edges of a logo on a ground that nobody knows: the mean over white and over black."""
    over = [CV.copyMakeBorder(logo.over(v), pad, pad, pad, pad, CV.BORDER_CONSTANT, value=(v, v, v)) for v in (0, 255)]
    if logo.opaque and logo.mask.all():
        over = [CV.copyMakeBorder(logo.pixels, pad, pad, pad, pad, CV.BORDER_REPLICATE)]
    return np.mean([edges(np.asarray(o, dtype=np.uint8)) for o in over], axis=0).astype(np.float32)


def refined(logo: LogoFile, scene: Scene, guess: Affine) -> Hit | None:
    """A guess made exact, with its score; None where it is no place for a logo."""
    longer = max(logo.size)
    size = math.sqrt(abs(float(np.linalg.det(guess[:, :2])))) * longer
    if not 8 <= size <= 1.5 * max(scene.pixels.shape[:2]):
        return None
    side = min(logo.side_of(REFINED_SIDE), max(LEAST_SIDE, size))
    small = logo.resized(side / longer)
    back = longer / max(small.size)
    picture, factor = shrunk(scene.pixels, side / size)
    pad = max(3, round(0.1 * min(small.size)))  # less than the clear space that a logo keeps, or a plate's edge counts
    template = CV.GaussianBlur(outline(small, pad), (0, 0), 1.0)
    image = CV.GaussianBlur(edges(picture), (0, 0), 1.0)
    # From the padded small logo to the small picture.
    start = guess.copy()
    start[:, :2] *= back
    start *= factor
    start[:, 2] -= start[:, :2] @ np.array([pad, pad])
    found = _score(template, image, start), start
    criteria = (CV.TERM_CRITERIA_EPS | CV.TERM_CRITERIA_COUNT, ROUNDS, 1e-4)
    for blur in (5, 1):
        try:
            _, moved = CV.findTransformECC(
                template, image, found[1].astype(np.float32), CV.MOTION_AFFINE, criteria, None, blur
            )
        except CV.error:
            continue  # it drifted off the picture: what stood before remains
        affine = np.asarray(moved, dtype=np.float64)
        if (score := _score(template, image, affine)) > found[0] and _sane(affine, start):
            found = score, affine
    score, affine = found
    out = affine.copy()
    out[:, 2] += out[:, :2] @ np.array([pad, pad])
    out /= factor
    out[:, :2] /= back
    return Hit(affine=out, score=float(np.clip(score, 0, 1)))


def _sane(affine: Affine, start: Affine) -> bool:
    """Whether refining left size and shape about as they were."""
    before, after = (np.linalg.svd(a[:, :2], compute_uv=False) for a in (start, affine))
    return bool(after[1] > 0.6 * before[1] and after[0] < 1.6 * before[0] and after[0] < STRETCH_MAX * after[1])


def _score(template: Plane, image: Plane, affine: Affine) -> float:
    """Zero-mean normalised correlation of the template and the picture as mapped onto it."""
    seen = CV.warpAffine(
        image, affine, (template.shape[1], template.shape[0]), flags=CV.INTER_LINEAR | CV.WARP_INVERSE_MAP
    )
    a, b = template - template.mean(), seen - seen.mean()
    norm = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / norm if norm > 1e-6 else 0.0


def _by_features(logo: LogoFile, scene: Scene) -> Iterator[Affine]:
    """A similarity from features, over a light and over a dark ground."""
    places, described, factor = scene.features
    for level in (255, 0):
        pad = 16
        over = CV.copyMakeBorder(logo.over(level), pad, pad, pad, pad, CV.BORDER_CONSTANT, value=(level,) * 3)
        points, own = features(np.asarray(over, dtype=np.uint8), FEATURES_MAX)
        if len(own) < INLIERS_MIN or len(described) < INLIERS_MIN:
            continue
        pairs = [
            m[0] for m in CV.BFMatcher().knnMatch(own, described, k=2)
            if len(m) == 2 and m[0].distance < RATIO * m[1].distance
        ]  # fmt: skip
        if len(pairs) < INLIERS_MIN:
            continue
        source = points[[p.queryIdx for p in pairs]] - pad
        target = places[[p.trainIdx for p in pairs]] / factor
        affine, inliers = CV.estimateAffinePartial2D(
            source, target, method=CV.RANSAC, ransacReprojThreshold=REPROJECTION_PX / factor, maxIters=4000
        )
        if affine is not None and int(np.asarray(inliers).sum()) >= INLIERS_MIN:
            yield np.asarray(affine, dtype=np.float64)


def _by_outline(logo: LogoFile, scene: Scene, turns: Sequence[float]) -> Iterator[Affine]:
    """Places where the picture's edges look like the logo's, best first."""
    found: list[tuple[float, Affine]] = []
    for side, blur, shares in LEVELS:
        picture, factor = scene.at(side)
        image = CV.GaussianBlur(edges(picture), (0, 0), blur)
        for share, turn in itertools.product(shares, turns):
            size = share * min(picture.shape[:2])
            if size >= LEAST_SIDE - 4:
                found += _peaks(logo, np.asarray(image, dtype=np.float32), (size / max(logo.size), turn, blur), factor)
    found.sort(key=lambda f: -f[0])
    yield from (affine for _, affine in found)


def _peaks(
    logo: LogoFile, image: Plane, shown: tuple[float, float, float], factor: float
) -> list[tuple[float, Affine]]:
    """The best places for one scale, turn and blur, with their correlation."""
    scale, turn, blur = shown
    small = logo.resized(scale)
    pad = 3
    template = outline(small, pad)
    height, width = template.shape
    middle = ((width - 1) / 2, (height - 1) / 2)
    turned = CV.getRotationMatrix2D(middle, -turn, 1.0)
    cos, sin = abs(turned[0, 0]), abs(turned[0, 1])
    wide, high = math.ceil(width * cos + height * sin), math.ceil(width * sin + height * cos)
    turned[:, 2] += np.array([(wide - 1) / 2 - middle[0], (high - 1) / 2 - middle[1]])
    template = CV.GaussianBlur(CV.warpAffine(template, turned, (wide, high)), (0, 0), blur)
    if wide >= image.shape[1] or high >= image.shape[0]:
        return []
    answer = CV.matchTemplate(image, template, CV.TM_CCOEFF_NORMED)
    # Where there is nothing, the correlation is of rounding errors.
    corner = np.s_[high // 2 : high // 2 + answer.shape[0], wide // 2 : wide // 2 + answer.shape[1]]
    mean, square = (CV.boxFilter(plane, -1, (wide, high))[corner] for plane in (image, image**2))
    answer[square - mean**2 < (BARE * float(template.std())) ** 2] = 0
    out: list[tuple[float, Affine]] = []
    for _ in range(PEAKS):
        _, best, _, (x, y) = CV.minMaxLoc(answer)
        if not math.isfinite(best) or best <= 0:
            break
        affine = np.asarray(turned, dtype=np.float64).copy()
        affine[:, 2] += np.array([x, y]) + affine[:, :2] @ np.array([pad, pad])
        affine /= factor
        affine[:, :2] *= small.size[0] / logo.size[0]
        out.append((best, affine))
        near = max(4, min(wide, high) // 3)
        answer[max(0, y - near) : y + near + 1, max(0, x - near) : x + near + 1] = -1
    return out
