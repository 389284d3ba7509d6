"""Jobs, requests and readings as the tests of rules want them, on the ruleset of config/."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rules.contract import phrase
from rules.decide import on_prompt
from rules.ruleset import Ruleset, load_ruleset
from schemas import ids
from schemas.events import (
    Asset,
    CheckError,
    FileRef,
    FileRole,
    Inspection,
    Job,
    Lane,
    LatentStats,
    LogoMatch,
    Measurement,
    Opinion,
    Outcome,
    PhraseSource,
    PromptRefused,
    PromptSubmitted,
    Region,
    Rendering,
    RenderRequest,
    RenderRequested,
    TextContract,
    TextRead,
    Word,
)

CONFIG = Path(__file__).parents[3] / "config"
LOGO = FileRef(role=FileRole.LOGO, name="logo.png", sha256="a" * 64, media_type="image/png", size_bytes=100)
PASTED = LogoMatch(
    file_sha256=LOGO.sha256,
    found=True,
    score=0.9,
    box=(740, 900, 940, 900, 940, 980, 740, 980),
    scale=0.5,
    rotation_degrees=0.1,
    distortion=0.01,
    delta_e00=0.8,
    difference=0.01,
    clear_space=0.3,
)
"""The logo as typeset pastes it."""
SOUND = {
    ("bytes", "decodes"): 1.0,
    ("bytes", "size_bytes"): 5000.0,
    ("bytes", "format_matches"): 1.0,
    ("size", "width_px"): 1024.0,
    ("size", "height_px"): 1024.0,
    ("blank", "luma_mean"): 120.0,
    ("blank", "luma_std"): 60.0,
    ("blank", "flat_share"): 0.4,
    ("noise", "block_correlation"): 0.9,
    ("noise", "corner_share"): 0.0,
    ("noise", "luma_deviation"): 2.0,
    ("palette", "cast"): 8.0,
    ("composition", "edge_width_px"): 1.5,
    ("composition", "lightness_range"): 0.8,
    ("people", "faces"): 0.0,
    ("people", "face_score"): 0.0,
}
"""What a sound picture measures."""


@cache
def config() -> dict[str, str]:
    """The files of config/ that make the ruleset."""
    return {p.relative_to(CONFIG).as_posix(): p.read_text(encoding="utf-8") for p in sorted(CONFIG.rglob("*.yml"))}


@cache
def ruleset() -> Ruleset:
    """The ruleset of config/."""
    return load_ruleset(config())


def changed(file: str, old: str, new: str) -> dict[str, str]:
    """The files with one piece of text exchanged, which must be there."""
    text = config()[file]
    assert old in text, f"{old!r} is not in {file}"
    return {**config(), file: text.replace(old, new, 1)}


def job(prompt: str = "a lighthouse at dawn", key: str = "k", **fields: Any) -> Job:
    """A job with the fields that matter."""
    given: dict[str, Any] = {"lane": Lane.EXPLORATORY, "seed": 7, "submitted_at_ms": 1_000, **fields}
    return Job(job_id=ids.job_id(key), idempotency_key=key, prompt=prompt, **given)


def submitted(wanted: Job) -> PromptSubmitted:
    """The submission of a job."""
    return PromptSubmitted(event_id=ids.event_id(wanted.job_id, "test"), job=wanted)


def routed(wanted: Job, rules: Ruleset | None = None) -> RenderRequest:
    """The first attempt at a job that is not refused."""
    event = on_prompt(submitted(wanted), rules or ruleset(), 2_000)
    assert isinstance(event, RenderRequested), event
    return event.request


def refused(wanted: Job, rules: Ruleset | None = None) -> tuple[str, ...]:
    """Why a job is refused."""
    event = on_prompt(submitted(wanted), rules or ruleset(), 2_000)
    assert isinstance(event, PromptRefused), event
    return event.reasons


def contract(
    *texts: str,
    lane: Lane = Lane.EXPLORATORY,
    allowed: Sequence[str] = (),
    anything: bool = False,
) -> TextContract:
    """A text contract for phrases."""
    return TextContract(
        phrases=tuple(phrase(t, PhraseSource.EXPLICIT, lane, None) for t in texts),
        allowed_extra=tuple(allowed),
        other_text_allowed=anything,
    )


def word(text: str, line: float = 0, *, at: float = 0, confidence: float = 0.97, height: float = 60) -> Word:
    """A word in a line of 100 pixels, 40 pixels wide for each letter."""
    x, y, right = at, 100 * line, at + 40 * max(1, len(text))
    return Word(text=text, confidence=confidence, box=(x, y, right, y, right, y + height, x, y + height))


def read(*lines: str | Word, reader: str = "rapidocr") -> TextRead:
    """A reading with one box a line, each a little off the picture's edges."""
    words = tuple(word(item, i + 0.1, at=10) if isinstance(item, str) else item for i, item in enumerate(lines))
    return TextRead(reader=reader, elapsed_ms=5, words=words)


def rendering(*, latents: LatentStats | None = None, **fields: Any) -> Rendering:
    """A render that gave a PNG."""
    asset = Asset(sha256="b" * 64, media_type="image/png", size_bytes=5000, width=1024, height=1024)
    given: dict[str, Any] = {
        "outcome": Outcome.RENDERED,
        "asset": asset,
        "latents": latents,
        "manifest_sha256": "c" * 64,
        "backend": "simulator",
        "model_digest": "test",
        "device": "cpu",
        "engine_ms": 900.0,
        "batch_size": 1,
        "cost_usd": 0.001,
        **fields,
    }
    return Rendering(**given)


def inspection(
    *reads: TextRead,
    errors: Sequence[CheckError] = (),
    without: Sequence[tuple[str, str]] = (),
    regions: Sequence[Region] = (),
    logos: Sequence[LogoMatch] = (PASTED,),
    opinions: Sequence[Opinion] = (),
    **values: Any,
) -> Inspection:
    """A sound picture but for `values`, named check__name; numbers in `without` were not measured."""
    numbers = {k: v for k, v in SOUND.items() if k not in without}
    for name, value in values.items():
        check, _, number = name.partition("__")
        numbers[(check, number)] = value
    return Inspection(
        measurements=tuple(Measurement(check=c, name=n, value=v) for (c, n), v in numbers.items()),
        reads=reads or (read(),),
        errors=tuple(errors),
        regions=tuple(regions),
        logos=tuple(logos),
        opinions=tuple(opinions),
        elapsed_ms=30,
    )
