"""Renders an attempt again from its manifest, and says whether the very same picture came of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, cast

from broker.settings import Settings
from ops.engines.once import engine_of
from rules.ruleset import Ruleset
from rules.tree import nearest
from schemas.errors import BadConfig, Poison
from schemas.events import RenderFailure
from store import manifests
from store.artifacts import ADDRESS, ArtifactStore
from store.manifests import Attempt, Manifest
from workers.engines.port import Engine, Watch

ATTEMPTS_MAX: Final = 64
"""Attempts looked for where a job is named; the ladder is far shorter."""
JOB: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Outcome(StrEnum):
    """What came of rendering again. `elsewhere`: it differs, and so does what made it, so nothing was promised."""

    SAME = "same"
    DIFFERENT = "different"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The two hashes, and how now differs from then. `batch_size` is the batch that gave the hash `now`."""

    outcome: Outcome
    manifest_sha256: str
    job_id: str
    attempt: int
    engine: str
    then_sha256: str
    now_sha256: str
    batch_size: int
    differs: Mapping[str, tuple[str, str]]
    notes: Sequence[str]

    def facts(self) -> dict[str, Any]:
        """What is printed of it."""
        differs = {what: {"then": then, "now": now} for what, (then, now) in self.differs.items()}
        return {**asdict(self), "outcome": self.outcome.value, "differs": differs, "notes": list(self.notes)}


def find(store: ArtifactStore, reference: str, attempt: int | None, replay_id: str | None) -> Attempt:
    """The manifest at an address, or of an attempt of a job (None: its last one). Raises Poison where there is none."""
    if ADDRESS.fullmatch(reference):
        return manifests.load(store, reference)
    if JOB.fullmatch(reference) is None:
        raise Poison(f"{reference[:80]!r} is neither a job id nor the sha256 of a manifest; `audit trace` shows both")
    numbers = range(ATTEMPTS_MAX) if attempt is None else (attempt,)
    last: bytes | None = None
    for number in numbers:
        said = store.objects.read(manifests.key_of(reference, replay_id, number))
        if said is None:
            break
        last = said
    if last is None:
        which = "" if attempt is None else f" {attempt}"
        raise Poison(f"{store.objects.where} holds no attempt{which} of job {reference}; is it the stack's store?")
    return manifests.load(store, str(cast("dict[str, Any]", json.loads(last))["manifest_sha256"]))


def again(attempt: Attempt, store: ArtifactStore, ruleset: Ruleset, settings: Settings, watch: Watch) -> Again:
    """Render what a manifest says, and compare.

    A batch may add up its floats in another order than one picture alone, so a picture that was made in a batch is
    tried alone first and then in a batch of the same size. Raises Poison where there is nothing to compare, BadConfig
    where this machine cannot run the engine.
    """
    made = attempt.manifest
    if made.picture_sha256 is None:
        why = made.failure.message if made.failure else "it gave no picture"
        raise Poison(f"attempt {made.request.attempt} of job {made.request.job.job_id} failed then: {why}")
    engine = _engine(made, ruleset, settings)
    files = {ref.sha256: store.get(ref.sha256) for ref in made.request.job.files}
    if made.request.edit is not None:
        files[made.request.edit.source_sha256] = store.get(made.request.edit.source_sha256)
    now, size = _rendered(engine, made, 1, files, watch), 1
    largest = min(made.batch_size, engine.max_batch(made.request))
    if made.picture_sha256 not in now and largest > 1:
        now, size = _rendered(engine, made, largest, files, watch), largest
    differs = _differs(made, engine)
    same = made.picture_sha256 in now
    outcome = Outcome.SAME if same else Outcome.ELSEWHERE if differs else Outcome.DIFFERENT
    return Again(
        outcome=outcome,
        manifest_sha256=attempt.sha256,
        job_id=made.request.job.job_id,
        attempt=made.request.attempt,
        engine=made.request.engine,
        then_sha256=made.picture_sha256,
        now_sha256=made.picture_sha256 if same else now[0],
        batch_size=size,
        differs=differs,
        notes=_notes(made, ruleset, same=same),
    )


def _engine(made: Manifest, ruleset: Ruleset, settings: Settings) -> Engine:
    request = made.request
    profile = ruleset.engines.get(request.engine)
    if profile is None:
        mend = nearest(request.engine, ruleset.engines)
        raise BadConfig(f"the ruleset of config/ has no engine {request.engine!r} any more", mend=mend)

    return engine_of(profile.id, ruleset, settings, stand_in=made.backend == "simulator")


def _rendered(engine: Engine, made: Manifest, size: int, files: Mapping[str, bytes], watch: Watch) -> list[str]:
    """Hashes of the pictures of a batch that holds the request `size` times."""
    hashes: list[str] = []
    for result in engine.render([made.request] * size, files, watch):
        if isinstance(result, RenderFailure):
            raise Poison(f"it does not render any more: {result.kind.value}, {result.message}")
        hashes.append(hashlib.sha256(result.encoded()).hexdigest())
    return hashes


def _differs(made: Manifest, engine: Engine) -> dict[str, tuple[str, str]]:
    pairs = {
        "device": (made.device, engine.device),
        "model": (made.model_digest, engine.model_digest),
        "backend": (made.backend, engine.backend),
    }
    return {what: pair for what, pair in pairs.items() if pair[0] != pair[1]}


def _notes(made: Manifest, ruleset: Ruleset, *, same: bool) -> tuple[str, ...]:
    notes: list[str] = []
    if made.request.ruleset_id != ruleset.id:
        notes.append(
            f"it was rendered under ruleset {made.request.ruleset_id[:12]}, and now under {ruleset.id[:12]}:"
            " a profile's scheduler or a brand's swatches may have changed"
        )
    if not same and made.batch_size > 1:
        notes.append(f"it was one of a batch of {made.batch_size}, whose other jobs were not rendered again")
    return tuple(notes)
