"""Draws posters from seeds, right and wrong in known ways, so that inspection can be measured on them."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from schemas import ids
from schemas.events import (
    Asset,
    Job,
    Lane,
    LatentStats,
    Outcome,
    Phrase,
    PhraseSource,
    Preset,
    Rendering,
    RenderRequest,
    Risk,
    Rung,
    Sampling,
    TextContract,
)
from workers.checks.port import Pixels

HEADLINES = (
    "SUMMER SALE", "Grand Opening", "Fresh Coffee Daily", "JAZZ NIGHT", "Open Air Cinema", "The Quiet Harbour",
    "WINTER MARKET", "Handmade Bread", "Run for the River", "NEW COLLECTION", "Garden Party", "Book Fair",
    "MIDNIGHT EXPRESS", "Wild Honey", "City Marathon", "Vintage Cycles", "POTTERY WORKSHOP", "Ocean Film Week",
    "Mountain Lodge", "Street Food Festival", "LAST CHANCE", "Welcome Home", "Science Museum", "Golden Hour",
)  # fmt: skip
LINES = (
    "Saturday 14 June", "Doors 7:30 PM", "Free entry", "Only $4.50", "50% OFF", "Tickets from $12.99", "Est. 1987",
    "Buy one get one free", "Book now", "21 Market Street", "Limited seats", "Music by the lake", "May 3-9",
    "Call 555 0142", "Since 1924", "All day breakfast", "Kids welcome", "Made by hand", "Only this weekend",
)  # fmt: skip


class Kind(StrEnum):
    """What a drawn poster shows, beside what was asked for."""

    RIGHT = "right"
    DECORATED = "decorated"
    SMALL_PRINT = "small_print"
    WRONG_LETTER = "wrong_letter"
    DROPPED_LETTER = "dropped_letter"
    DOUBLED_LETTER = "doubled_letter"
    SWAPPED_LETTERS = "swapped_letters"
    EXTRA_TEXT = "extra_text"
    MISSING_TEXT = "missing_text"
    NO_TEXT = "no_text"
    TEXT_UNASKED = "text_unasked"


RIGHT_KINDS = frozenset({Kind.RIGHT, Kind.DECORATED, Kind.SMALL_PRINT, Kind.NO_TEXT})
"""Kinds that show what was asked for; every other one must not be accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One poster. `asked` are the phrases of the contract, `shown` the lines that were drawn."""

    kind: Kind
    pixels: Pixels
    asked: tuple[str, ...]
    shown: tuple[str, ...]

    def png(self) -> bytes:
        """The poster as a PNG file."""
        out = io.BytesIO()
        Image.fromarray(self.pixels).save(out, "PNG")
        return out.getvalue()


def draw(seed: int, kind: Kind, fonts: Sequence[Path] = (), size: tuple[int, int] | None = None) -> Drawn:
    """The poster of a seed: the same seed, kind and fonts draw the same pixels.

    `fonts` are font files; with none, the face that comes with Pillow draws. `size` is width and height,
    chosen by the seed where it is None.
    """
    rng = random.Random(f"{seed}/{kind}")
    width, height = size or rng.choice(((1024, 1024), (832, 1216), (1216, 832), (768, 1024), (1024, 768)))
    asked = (rng.choice(HEADLINES), *rng.sample(LINES, rng.randint(0, 2)))
    if kind in (Kind.NO_TEXT, Kind.TEXT_UNASKED):
        asked = ()
    shown = _shown(rng, kind, asked)
    ground = _ground(rng)
    art = Image.new("RGB", (width, height), ground)
    _art(rng, art, busy=kind is not Kind.RIGHT)
    _letter(rng, art, shown, kind, fonts)
    if kind in (Kind.DECORATED, Kind.NO_TEXT) and rng.random() < 0.5:
        grain = np.random.default_rng(rng.randrange(2**32)).normal(0, rng.uniform(2, 10), (height, width, 3))
        art = Image.fromarray(np.clip(np.asarray(art) + grain, 0, 255).astype(np.uint8))
    return Drawn(kind=kind, pixels=np.asarray(art), asked=asked, shown=shown)


def _shown(rng: random.Random, kind: Kind, asked: tuple[str, ...]) -> tuple[str, ...]:
    if kind is Kind.TEXT_UNASKED:
        return (rng.choice(HEADLINES),)
    if kind is Kind.EXTRA_TEXT:
        return (*asked, rng.choice([line for line in LINES if line not in asked]))
    if kind is Kind.MISSING_TEXT:
        gone = rng.randrange(len(asked))
        return tuple(line for i, line in enumerate(asked) if i != gone)
    if kind in (Kind.WRONG_LETTER, Kind.DROPPED_LETTER, Kind.DOUBLED_LETTER, Kind.SWAPPED_LETTERS):
        at = rng.randrange(len(asked))
        return (*asked[:at], misspelt(rng, asked[at], kind), *asked[at + 1 :])
    return asked


def misspelt(rng: random.Random, text: str, kind: Kind) -> str:
    """The text with one letter damaged; letters are never traded for their look-alikes."""
    places = [i for i, c in enumerate(text) if c.isalpha()]
    while True:
        i = rng.choice(places)
        if kind is Kind.WRONG_LETTER:
            pool = "ABDEFGHKMNPRSTUWXYZ" if text[i].isupper() else "abdefghkmnprstuwxyz"
            out = text[:i] + rng.choice(pool) + text[i + 1 :]
        elif kind is Kind.DROPPED_LETTER:
            out = text[:i] + text[i + 1 :]
        elif kind is Kind.DOUBLED_LETTER:
            out = text[:i] + text[i] + text[i:]
        else:
            out = text[:i] + text[i : i + 2][::-1] + text[i + 2 :]
        if out.casefold().replace(" ", "") != text.casefold().replace(" ", ""):
            return out


def _ground(rng: random.Random) -> tuple[int, int, int]:
    light = rng.random() < 0.6
    low, high = (190, 256) if light else (5, 80)
    return rng.randrange(low, high), rng.randrange(low, high), rng.randrange(low, high)


def _art(rng: random.Random, art: Image.Image, *, busy: bool) -> None:
    """Shapes round the edges and, where busy, a gradient: what a poster has beside its letters."""
    width, height = art.size
    if busy and rng.random() < 0.5:
        shade = Image.linear_gradient("L").resize(art.size).point(lambda v: int(v * 0.35))
        art.paste(Image.new("RGB", art.size, tuple(rng.randrange(256) for _ in range(3))), mask=shade)
    pen = ImageDraw.Draw(art)
    for _ in range(rng.randint(2, 7)):
        x, y = rng.randrange(width), int(height * rng.uniform(0.72, 0.98))
        r = rng.randrange(width // 30, width // 7)
        colour = tuple(rng.randrange(256) for _ in range(3))
        shape = rng.choice(("ellipse", "rectangle", "polygon"))
        if shape == "polygon":
            pen.polygon([(x - r, y + r), (x, y - r), (x + r, y + r)], fill=colour)
        else:
            getattr(pen, shape)((x - r, y - r // 2, x + r, y + r), fill=colour)


def _letter(rng: random.Random, art: Image.Image, lines: Sequence[str], kind: Kind, fonts: Sequence[Path]) -> None:
    """Sets the lines one under the other in the upper two thirds, scaled to the width."""
    width, height = art.size
    chosen = rng.choice(fonts) if fonts else None
    top = int(height * rng.uniform(0.05, 0.12))
    align = rng.choice(("left", "centre"))
    for i, line in enumerate(lines):
        share = rng.uniform(0.6, 0.9) if i == 0 else rng.uniform(0.3, 0.6)
        if kind is Kind.SMALL_PRINT and i > 0:
            share = rng.uniform(0.14, 0.22)
        font = _fitted(chosen, line, int(width * share), int(height * 0.16))
        box = font.getbbox(line)
        stamp = Image.new("L", (int(box[2] - box[0]) + 40, int(box[3] - box[1]) + 40))
        ImageDraw.Draw(stamp).text((20 - box[0], 20 - box[1]), line, font=font, fill=255)
        if kind is Kind.DECORATED:
            stamp = stamp.rotate(rng.uniform(-7, 7), expand=True, resample=Image.Resampling.BICUBIC)
        x = int(width * 0.06) if align == "left" else (width - stamp.width) // 2
        under = np.asarray(art.crop((x, top, x + stamp.width, top + stamp.height)).convert("L")).mean()
        ink = tuple(rng.randrange(0, 60) if under > 128 else rng.randrange(200, 256) for _ in range(3))
        if kind is Kind.DECORATED:
            _decorate(rng, art, stamp, (x, top), dark=under > 128)
        art.paste(Image.new("RGB", stamp.size, ink), (x, top), stamp)
        top += stamp.height + int(height * rng.uniform(0.0, 0.03))


def _decorate(rng: random.Random, art: Image.Image, stamp: Image.Image, at: tuple[int, int], *, dark: bool) -> None:
    """A shadow or a glow under the letters."""
    reach = rng.choice((3, 6, 10))
    halo = stamp.filter(ImageFilter.GaussianBlur(reach))
    colour = tuple(rng.randrange(120, 220) if dark else rng.randrange(20, 120) for _ in range(3))
    offset = rng.choice((0, reach))
    art.paste(Image.new("RGB", stamp.size, colour), (at[0] + offset, at[1] + offset), halo)


def _fitted(file: Path | None, line: str, width: int, height: int) -> ImageFont.FreeTypeFont:
    """The font at the size that makes the line `width` wide, and at most `height` high."""
    trial = _font(file, 100)
    box = trial.getbbox(line)
    size = min(100 * width / max(1, box[2] - box[0]), 100 * height / max(1, box[3] - box[1]))
    return _font(file, max(10, int(size)))


def _font(file: Path | None, size: int) -> ImageFont.FreeTypeFont:
    if file is not None:
        return ImageFont.truetype(str(file), size)
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType")
    return font


def request_for(asked: Sequence[str], *, other_text_allowed: bool = False, lane: Lane = Lane.CRITICAL) -> RenderRequest:
    """An attempt whose contract wants these phrases: as sanity would make it."""
    job = Job(
        job_id=ids.job_id("drawn"),
        idempotency_key="drawn",
        prompt="a poster",
        lane=lane,
        required_text=tuple(asked),
        seed=1,
        submitted_at_ms=0,
    )
    phrases = tuple(
        Phrase(text=text, source=PhraseSource.EXPLICIT, case_sensitive=False, strict=any(c.isdigit() for c in text))
        for text in asked
    )
    return RenderRequest(
        job=job,
        attempt=0,
        rung=Rung.FIRST,
        engine="simulator",
        lane=lane,
        prompt=job.prompt,
        sampling=Sampling(preset=Preset.STANDARD, scheduler="none", steps=1, guidance=0.0, seed=1),
        text=TextContract(phrases=phrases, other_text_allowed=other_text_allowed),
        tags=(),
        risk=Risk.LOW,
        rule="drawn",
        ruleset_id="0" * 64,
        cost_spent_usd=0.0,
    )


def rendering_for(
    data: bytes,
    media_type: str = "image/png",
    *,
    size: tuple[int, int] = (1024, 1024),
    latents: LatentStats | None = None,
) -> Rendering:
    """What a renderer says of these bytes; `size` is the declared width and height."""
    sha256 = hashlib.sha256(data).hexdigest()
    return Rendering(
        outcome=Outcome.RENDERED,
        asset=Asset(sha256=sha256, media_type=media_type, size_bytes=len(data), width=size[0], height=size[1]),
        latents=latents,
        manifest_sha256="0" * 64,
        backend="drawn",
        model_digest="drawn",
        device="cpu",
        engine_ms=0.0,
        batch_size=1,
        cost_usd=0.0,
    )
