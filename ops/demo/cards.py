"""What the demo shows of its two runs: outcomes for the figures, cards for the contact sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg

from audit import queries
from audit.queries import AssetLine, JobState, Scope
from ops.contact_sheet import Card
from ops.demo.before_after import Outcome
from ops.demo.plain import PlainResult
from rules.lifecycle import State
from rules.ruleset import Ruleset
from rules.verdict import judge
from schemas import events
from schemas.errors import Poison
from schemas.events import Asset, Rendering, Verdict
from store import manifests
from store.artifacts import ArtifactStore
from workers.checks.measure import inspect_asset
from workers.checks.port import TextReader


def pipeline_outcome(job: JobState, store: ArtifactStore) -> Outcome:
    """How one job ended in the pipeline; what was injected is read from the manifest of its last attempt."""
    delivered = job.state is State.APPROVED
    injected: tuple[str, ...] = ()
    if delivered and job.manifest_sha256 is not None:
        injected = manifests.load(store, job.manifest_sha256).manifest.injected
    return Outcome(
        delivered=delivered,
        reviewed=job.state is State.REVIEW,
        refused=job.state is State.REFUSED,
        attempts=job.attempts,
        injected=injected,
        text_score=job.text_score,
        latency_ms=float(job.latency_ms or 0),
        engine_ms=job.engine_ms,
    )


def plain_outcome(result: PlainResult, ruleset: Ruleset, readers: Sequence[TextReader]) -> Outcome:
    """How one job ended in the plain run. Its text is read afterwards, for the figure alone."""
    made, request = result.rendered, result.request
    score: float | None = None
    if made is not None and result.sha256 is not None and request.text.phrases:
        asset = Asset(
            sha256=result.sha256,
            media_type=made.media_type,
            size_bytes=len(made.encoded()),
            width=made.width,
            height=made.height,
        )
        rendering = Rendering(
            outcome=events.Outcome.RENDERED,
            asset=asset,
            manifest_sha256=result.sha256,
            backend="simulator",
            model_digest="",
            device="cpu",
            engine_ms=result.engine_ms,
            batch_size=1,
            cost_usd=0.0,
        )
        inspection = inspect_asset(
            made.encoded(), request, rendering, palette=ruleset.palette(request.job.brand), checks=("bytes", "text"),
            readers=readers,
        )  # fmt: skip
        # Bytes that do not decode show no text at all.
        score = judge(inspection, rendering, request, ruleset).scores.get("text", 0.0)
    return Outcome(
        delivered=made is not None,
        reviewed=False,
        refused=False,
        attempts=1,
        injected=made.injected if made is not None else (),
        text_score=score,
        latency_ms=result.latency_ms,
        engine_ms=result.engine_ms,
    )


def cards(conn: psycopg.Connection, scope: Scope, store: ArtifactStore) -> Iterator[Card]:
    """One card for each attempt and each refused prompt of a scope, by job and attempt."""
    after: AssetLine | None = None
    while page := queries.assets(conn, scope, after=after):
        yield from (_card(line, store) for line in page)
        after = page[-1]


def _card(line: AssetLine, store: ArtifactStore) -> Card:
    data: bytes | None = None
    if line.asset_sha256 is not None:
        try:
            data = store.get(line.asset_sha256)
        except Poison:
            data = b""
    tries = f"{line.engine} #{line.attempt + 1}" if line.engine is not None else ""
    return Card(
        status=_status(line),
        prompt=line.prompt,
        meta=tries,
        reasons=tuple(line.reasons) or ("no defect was found",),
        data=data,
    )


def _status(line: AssetLine) -> str:
    if line.state is State.REFUSED:
        return "refused"
    if line.record == "AssetHeld":
        return "held"
    if line.verdict == Verdict.ACCEPT.value:
        return "accepted" if line.attempt == 0 else "repaired"
    return "review" if line.verdict == Verdict.REVIEW.value else "rejected"
