"""Renders one picture outside the pipeline: same routing, refusals, engine and finishing, and no broker."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import structlog
from pydantic import SecretStr

from broker.leases import Slots
from broker.settings import Settings
from ops.submission import Fault, parse_lines, submitted, upload
from rules.decide import on_prompt
from rules.ruleset import Ruleset
from rules.verdict import judge
from schemas.errors import BadConfig, Poison
from schemas.events import (
    Asset,
    ImageFormat,
    Judgement,
    Outcome,
    Preset,
    PromptRefused,
    RenderFailure,
    Rendering,
    RenderRequest,
)
from store.artifacts import open_store
from workers.checks.measure import inspect_asset
from workers.checks.readers import open_readers
from workers.checks.registry import open_checks
from workers.checks.vision import Vision
from workers.engines import hosts, registry
from workers.engines.port import Engine, Rendered, Watch
from workers.finish.credentials import STEP as SIGNED
from workers.finish.finish import Finisher
from workers.finish.port import Finished, Order
from workers.render import pool_of

SUFFIXES: Final[Mapping[str, str]] = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
FORMATS: Final[Mapping[str, ImageFormat]] = {
    **{f".{f.value}": f for f in ImageFormat},
    ".jpg": ImageFormat.JPEG,
}
"""What the end of a file's name says of its format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A request and the bytes that go with it, by sha256."""

    request: RenderRequest
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A picture as it would be delivered, and what made it. Times in milliseconds."""

    request: RenderRequest
    rendered: Rendered
    finished: Finished
    backend: str
    device: str
    model_digest: str
    load_ms: float
    engine_ms: float
    finish_ms: float

    @property
    def suffix(self) -> str:
        """Suffix of its file."""
        return SUFFIXES.get(self.finished.media_type, "bin")

    def facts(self) -> dict[str, Any]:
        """What is printed of it."""
        sampling = self.request.sampling
        return {
            "engine": self.request.engine,
            "backend": self.backend,
            "device": self.device,
            "model_digest": self.model_digest,
            "seed": sampling.seed,
            "preset": sampling.preset.value,
            "scheduler": sampling.scheduler,
            "steps": sampling.steps,
            "guidance": sampling.guidance,
            "text": [p.text for p in self.request.text.phrases],
            "sha256": hashlib.sha256(self.finished.data).hexdigest(),
            "picture_sha256": self.finished.picture_sha256,
            "media_type": self.finished.media_type,
            "width": self.finished.width,
            "height": self.finished.height,
            "size_bytes": len(self.finished.data),
            "load_ms": round(self.load_ms),
            "engine_ms": round(self.engine_ms),
            "finish_ms": round(self.finish_ms),
            "cost_usd": self.rendered.cost_usd,
            "cut": [
                {"encoder": c.encoder, "tokens": c.tokens, "limit": c.limit, "lost": c.lost} for c in self.rendered.cut
            ],
            "injected": list(self.rendered.injected),
            "made": dict(self.rendered.facts),
            "finish": dict(self.finished.facts),
        }


def trial(
    fields: Mapping[str, Any],
    ruleset: Ruleset,
    settings: Settings,
    *,
    preset: Preset | None = None,
    steps: int | None = None,
) -> Trial:
    """The request that sanity would make of a job line that names its engine.

    The seed follows from the line where none is given: the same command draws the same picture. Raises Poison where
    the line is wrong, where sanity refuses the prompt, or where the engine's profile refuses the request.
    """
    line = json.dumps(fields, sort_keys=True, ensure_ascii=False)
    keyed = {"idempotency_key": f"try/{hashlib.sha256(line.encode()).hexdigest()}", **fields}
    (draft,) = parse_lines([json.dumps(keyed)], source="try", folder=Path(), now_ms=time.time_ns() // 1_000_000)
    if isinstance(draft, Fault):
        raise Poison(draft.message)
    with tempfile.TemporaryDirectory(prefix="presscheck-try-") as folder:
        store = open_store(settings.model_copy(update={"store_url": Path(folder).as_uri()}))
        job = upload(draft, store)
        files = {ref.sha256: store.get(ref.sha256) for ref in job.files}
    profile = ruleset.engines[str(fields["engine"])]
    decided = on_prompt(submitted(job), ruleset, job.submitted_at_ms)
    if isinstance(decided, PromptRefused):
        raise Poison("refused: " + " ".join(decided.reasons))
    request = decided.request
    values = profile.preset(preset or request.sampling.preset)
    sampling = values.sampling(preset or request.sampling.preset, request.sampling.seed)
    request = replace(request, sampling=replace(sampling, steps=steps or sampling.steps))
    if refusal := profile.refuses(request.sampling, request):
        raise Poison(f"refused: {refusal}")
    return Trial(request=request, files=files)


def render(asked: Trial, ruleset: Ruleset, settings: Settings, watch: Watch) -> Tried | RenderFailure:
    """Load the engine, render and finish. Raises BadConfig where this machine cannot run it, and as engines do."""
    request = asked.request
    began = time.perf_counter()
    engine = engine_of(request.engine, ruleset, settings)
    loaded = time.perf_counter()
    (made,) = engine.render([request], asked.files, watch)
    rendered = time.perf_counter()
    if isinstance(made, RenderFailure):
        return made
    finished = _finished(made, ruleset, settings, engine, asked)
    return Tried(
        request=request,
        rendered=made,
        finished=finished,
        backend=engine.backend,
        device=engine.device,
        model_digest=engine.model_digest,
        load_ms=(loaded - began) * 1000,
        engine_ms=(rendered - loaded) * 1000,
        finish_ms=(time.perf_counter() - rendered) * 1000,
    )


class OnlyOne(Slots):
    """The slot of a single picture where no database counts what other processes have in flight."""

    def __init__(self) -> None:
        super().__init__(SecretStr(""), "trial", 1)

    async def __aenter__(self) -> Self:
        """Nothing to connect to."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to leave."""

    @asynccontextmanager
    async def slot(self, within_s: float) -> AsyncGenerator[None]:
        """Held by the one picture that there is."""
        structlog.get_logger(__name__).warning("no database: what other processes have in flight is not counted")
        yield


def engine_of(name: str, ruleset: Ruleset, settings: Settings, *, stand_in: bool = False) -> Engine:
    """The engine, among all that this machine can run: typeset may ask another for its art.

    With `stand_in` it is the simulator in its place. Raises BadConfig where this machine cannot run it.
    """
    profile = ruleset.engines[name]
    state = registry.availability(profile, settings)
    if not state.runs and not stand_in:
        if profile.hosted is not None and hosts.lacks_only_slots(profile.hosted, settings):
            return hosts.engine(profile, settings, OnlyOne)
        raise BadConfig(f"{name} cannot run here: {state.why}", mend="`presscheck engines list` shows what can")
    own = frozenset(a.engine for a in registry.available(settings, ruleset.engines) if a.runs)
    stand_ins = frozenset({name}) if stand_in else frozenset[str]()
    pool = pool_of(settings, own - stand_ins, stand_ins, named=lambda _: ruleset)
    engine = pool.engine(profile)
    if engine is None:
        raise BadConfig(f"{name} is not among the engines of this machine")
    return engine


def _finished(made: Rendered, ruleset: Ruleset, settings: Settings, engine: Engine, asked: Trial) -> Finished:
    """Finished as in the render worker; unsigned where there is no key, which nobody needs for a trial."""
    finisher = Finisher.from_settings(settings)
    steps = tuple(s for s in ruleset.postprocess if s != SIGNED or finisher.signer is not None)
    finished = finisher(
        Order(
            rendered=made,
            request=asked.request,
            profile=ruleset.engines[asked.request.engine],
            backend=engine.backend,
            model_digest=engine.model_digest,
            files=asked.files,
            palette=ruleset.palette(asked.request.job.brand),
            steps=steps,
        )
    )
    left_out = {step: "left out: no key is configured" for step in ruleset.postprocess if step not in steps}
    return replace(finished, facts={**finished.facts, **left_out})


def check(tried: Tried, ruleset: Ruleset, threads: int, vision: Vision | None = None) -> Judgement:
    """What the checks measure on the finished picture, judged by the rules."""
    data, digest = tried.finished.data, hashlib.sha256(tried.finished.data).hexdigest()
    rendering = Rendering(
        outcome=Outcome.RENDERED,
        asset=Asset(
            sha256=digest,
            media_type=tried.finished.media_type,
            size_bytes=len(data),
            width=tried.finished.width,
            height=tried.finished.height,
        ),
        latents=tried.rendered.latents,
        cut=tried.rendered.cut,
        manifest_sha256=digest,
        backend=tried.backend,
        model_digest=tried.model_digest,
        device=tried.device,
        engine_ms=tried.engine_ms,
        batch_size=1,
        cost_usd=0.0,
    )
    inspection = inspect_asset(
        data,
        tried.request,
        rendering,
        palette=ruleset.palette(tried.request.job.brand),
        checks=ruleset.checks,
        readers=open_readers(ruleset.readers, threads=threads, vision=vision),
        opened=open_checks(vision),
    )
    return judge(inspection, rendering, tried.request, ruleset)


def format_of(path: Path | None) -> ImageFormat:
    """The format that a file's name asks for; PNG where it says nothing."""
    return FORMATS.get(path.suffix.lower() if path else "", ImageFormat.PNG)


def files_of(given: Sequence[str]) -> Iterator[dict[str, str]]:
    """`role=path` arguments as a job line has them. Raises Poison."""
    for entry in given:
        role, sign, path = entry.partition("=")
        if not sign or not path:
            raise Poison(f"--file {entry}: want ROLE=PATH, for example --file logo=logo.png")
        yield {"role": role, "path": path}
