"""The simulator's defects: how often each is put in, and how. They are made up; they measure no model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

from workers import colour
from workers.engines import fonts, placement, poster
from workers.engines.palette import Palette
from workers.engines.shaping import Style
from workers.engines.typography import set_block


class Damage(StrEnum):
    """Ways to spoil a picture; the value is the failure mode of the catalogue that it stands for."""

    WRONG_GLYPHS = "wrong-glyphs"
    DROPPED_LETTER = "dropped-letters"
    DOUBLED_LETTER = "doubled-letters"
    STRAY_TEXT = "stray-text"
    COLOUR_CAST = "colour-cast"
    BLACK_FRAME = "black-frame"
    NOISE = "latent-noise"
    TRUNCATED = "truncated-bytes"
    GARBAGE = "garbage-bytes"
    WRONG_SIZE = "wrong-size"


RATES: Final[Mapping[Damage, float]] = MappingProxyType(
    {
        Damage.WRONG_GLYPHS: 0.09,
        Damage.DROPPED_LETTER: 0.045,
        Damage.DOUBLED_LETTER: 0.045,
        Damage.STRAY_TEXT: 0.06,
        Damage.COLOUR_CAST: 0.04,
        Damage.BLACK_FRAME: 0.02,
        Damage.NOISE: 0.02,
        Damage.TRUNCATED: 0.02,
        Damage.GARBAGE: 0.02,
        Damage.WRONG_SIZE: 0.02,
    }
)
"""Share of seeds that draw each damage; 38 % in all. A choice made for the demo, not a measurement: a damage
that a request gives no hold for (letters of a picture without text) is left out, so fewer are seen."""
GUIDANCE_BREAKS: Final = (8.0, 10.0)
"""Guidance up to which nothing more is spoilt, and from which every picture is; in between the share grows evenly.

Where a preset that is set badly shows in the pictures, as it does with models: a ruleset can do harm in a demo. Both
ends are made up, above what any profile is configured for.
"""
IN_TEXT: Final = frozenset({Damage.WRONG_GLYPHS, Damage.DROPPED_LETTER, Damage.DOUBLED_LETTER})
IN_BYTES: Final = frozenset({Damage.TRUNCATED, Damage.GARBAGE})

_OTHER: Final = MappingProxyType(dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "HRGOFTCNTLXTWMQFGKZPVYMKTS", strict=True)))
"""Another letter that looks related, as generated lettering goes wrong, yet that no reader takes for the first."""
_STRAY: Final = ("SALE NOW ON", "LIMITED OFFER", "NEW SEASON", "ORDER TODAY", "BEST PRICE")


def drawn_for(seed: int, rates: Mapping[Damage, float] = RATES) -> Damage | None:
    """The damage that a seed draws: by a hash of the seed alone, so the same under every profile."""
    point = _point("damage", seed)
    for damage, rate in rates.items():
        if point < rate:
            return damage
        point -= rate
    return None


def broken_by(guidance: float, seed: int) -> Damage | None:
    """What a guidance that is set too high makes of a seed; whoever breaks at one breaks at every higher one."""
    first, last = GUIDANCE_BREAKS
    return Damage.NOISE if _point("guidance", seed) * (last - first) < guidance - first else None


def _point(what: str, seed: int) -> float:
    return int.from_bytes(hashlib.sha256(f"{what}/{seed}".encode()).digest()[:8], "big") / 2**64


def generator(seed: int) -> np.random.Generator:
    """Random numbers for the details of a damage."""
    return np.random.default_rng([seed, 0xDA])


def spoil_text(phrases: Sequence[str], damage: Damage, rng: np.random.Generator) -> list[str]:
    """The phrases with one of them misspelt. Where none has a letter to spoil they come back as they were."""
    out = list(phrases)
    able = [i for i, p in enumerate(out) if sum(c.isalnum() for c in p) >= 2]
    if not able:
        return out
    which = able[int(rng.integers(len(able)))]
    text = out[which]
    spots = [i for i, c in enumerate(text) if c.isalnum()]
    if damage is Damage.DROPPED_LETTER:
        at = spots[int(rng.integers(1, len(spots)))]
        out[which] = text[:at] + text[at + 1 :]
    elif damage is Damage.DOUBLED_LETTER:
        at = spots[int(rng.integers(len(spots)))]
        out[which] = text[:at] + text[at] + text[at:]
    else:
        letters = list(text)
        for at in rng.choice(spots, size=max(1, len(spots) // 6), replace=False):
            letters[int(at)] = _another(letters[int(at)])
        out[which] = "".join(letters)
    return out


def _another(character: str) -> str:
    if character.isdigit():
        return str((int(character) + 3) % 10) if character.isascii() else "7"
    other = _OTHER.get(character.upper(), "X")
    return other.lower() if character.islower() else other


def add_stray_text(image: Image.Image, palette: Palette, rng: np.random.Generator) -> None:
    """A line that nobody asked for, at the calmest place that is left."""
    phrase = _STRAY[int(rng.integers(len(_STRAY)))]
    style = Style(face=fonts.SANS_BLACK, others=fonts.ALL, tracking=0.03, leading=1.2, share=1.0)
    short = min(image.size)
    block = set_block([phrase], [style], 0.62 * short, 0.2 * short, 0.075 * short)
    calm = placement.measure(image)
    spot = placement.calmest(calm, (block.width, block.height), image.size, edge=0.06 * short)
    poster.draw(image, [poster.Setting(block=block, at=(spot.box[0], spot.box[1]), align=0.0)], palette)


def cast(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture under a strong colour cast: a* and b* moved by 38, lightness kept."""
    angle = float(rng.uniform(0, 2 * np.pi))

    # A table on a coarse grid of colours costs a tenth of the arithmetic on every pixel.
    def moved(r: float, g: float, b: float) -> tuple[float, float, float]:
        lab = colour.srgb_to_lab(np.array([r, g, b]))
        lab[1:] += 38 * np.array([np.cos(angle), np.sin(angle)])
        red, green, blue = (float(v) / 255 for v in colour.lab_to_srgb(lab))
        return red, green, blue

    return image.filter(ImageFilter.Color3DLUT.generate(9, moved))


def noise(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """What a decoder makes of latents that were never denoised: coloured blotches of eight pixels."""
    shape = (max(1, size[1] // 8), max(1, size[0] // 8), 3)
    blotches = np.clip(rng.normal(128, 62, shape), 0, 255).astype(np.uint8)
    return Image.fromarray(blotches).resize(size, Image.Resampling.BICUBIC)


def spoil_bytes(data: bytes, damage: Damage, rng: np.random.Generator) -> bytes:
    """Bytes cut short, or bytes that are no picture at all."""
    if damage is Damage.TRUNCATED:
        return data[: int(len(data) * rng.uniform(0.3, 0.7))]
    return rng.bytes(int(rng.integers(2_000, 20_000)))
