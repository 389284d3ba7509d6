"""What is shared: the page of one picture or of one comparison, out of what the audit and the store hold of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import psycopg

from audit.trace import Step, trace
from ops.labels.given import find_asset
from ops.sharing import comparison_view as compare_view
from ops.sharing import page as share_page
from ops.sharing.comparison import compare, rows, targets_of
from ops.sharing.page import Picture
from ops.sharing.topic import Page
from rules.modes import FailureMode
from schemas.codec import Codec
from schemas.errors import BadConfig
from schemas.events import (
    AssetApproved,
    AssetHeld,
    AssetRecalled,
    AssetRejected,
    ImageGenerated,
    ImageInspected,
    Inspection,
    ReviewRequested,
)
from store.artifacts import ArtifactStore
from workers.checks.decode import media_type_of

ASSET: Final = re.compile(r"[0-9a-f]{8,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:/[0-9a-f]{8,64})?")
MAX_JOBS: Final = 60
FOOT: Final = (
    "This page holds all that it shows: it loads nothing and runs nothing. It was published under the SHA-256 of its"
    " own bytes, so whoever has that can tell that nothing was changed. The pictures are previews; the SHA-256 of each"
    " picture itself stands below it."
)
Verdict = AssetApproved | AssetRejected | ReviewRequested | AssetHeld


def is_asset(target: str) -> bool:
    """Whether a target names one asset: by hash, by job, or both; all else is a replay."""
    return ASSET.fullmatch(target) is not None


def asset_page(
    conn: psycopg.Connection, store: ArtifactStore, codec: Codec, modes: Mapping[str, FailureMode], target: str, *,
    title: str = "", any_verdict: bool = False,
) -> Page:  # fmt: skip
    """The page of one asset; of a job, the one that was delivered last, and else the one that was judged last.

    Raises BadConfig where it is unknown, was not accepted, or was recalled.
    `any_verdict` shares it all the same; the page says so then. Raises Poison where the store has lost it.
    """
    asset = find_asset(conn, target)
    steps = trace(conn, asset.job_id, codec)
    sha256 = (delivered(steps) if target == asset.job_id else None) or asset.asset_sha256
    picture = _picture(steps, sha256, store)
    if not picture.sound and not any_verdict:
        raise BadConfig(
            f"asset {sha256[:16]}… may not go out: {picture.standing.lower()}",
            mend="say --any-verdict to share it with a warning",
        )
    made = share_page.html(picture, modes, title=title).encode()
    return Page(title=title or share_page.usual_title(picture.request), data=made, job_ids=(asset.job_id,))


def comparison_page(
    conn: psycopg.Connection, store: ArtifactStore, modes: Mapping[str, FailureMode], targets: Sequence[str], *,
    title: str = "", limit: int = 24, first: bool = False,
) -> Page:  # fmt: skip
    """The page of a comparison: at most 60 jobs, those that came out worse first. Raises as compare, and BadConfig."""
    chosen = targets_of(conn, targets)
    found = compare(rows(conn, chosen, first=first), chosen, limit=min(limit, MAX_JOBS))
    names = compare_view.Names(modes={n: m.title for n, m in modes.items()}, inside=False)
    title = title or ("Original and replay" if found.jobs == 1 else f"{found.jobs} pictures, before and after")
    subtitle = "Each job as it was rendered at first, and as it was rendered again."
    made = compare_view.html(found, store, names, title=title, subtitle=subtitle, foot=FOOT)
    return Page(title=title, data=made.encode(), job_ids=tuple(row.job_id for row in found.rows))


def delivered(steps: Sequence[Step]) -> str | None:
    """The asset that was accepted last and not taken back: what people have of a job, whatever a replay tried since."""
    found: dict[str, None] = {}
    for step in steps:
        match step.event:
            case AssetApproved() as event if event.rendering.asset is not None:
                found.pop(event.rendering.asset.sha256, None)
                found[event.rendering.asset.sha256] = None
            case AssetRecalled() as event:
                found.pop(event.asset_sha256, None)
            case _:
                pass
    return next(reversed(found), None)


def _picture(steps: Sequence[Step], sha256: str, store: ArtifactStore) -> Picture:
    """What the records of a job say of one of its assets. Raises BadConfig where no verdict on it is there."""
    verdict: Verdict | None = None
    recalled = False
    for step in steps:
        match step.event:
            case AssetApproved() | AssetRejected() | ReviewRequested() | AssetHeld() as event:
                asset = event.rendering.asset
                verdict = event if asset is not None and asset.sha256 == sha256 else verdict
            case AssetRecalled() as event:
                recalled = recalled or event.asset_sha256 == sha256
            case _:
                pass
    if verdict is None:
        raise BadConfig(f"no verdict on asset {sha256} is in the audit")
    data = store.get(sha256)
    if media_type_of(data) is None:
        raise BadConfig(f"asset {sha256} is no picture that a browser shows, so it cannot be shared")
    rendered_ms, inspection = _measured(steps, verdict)
    return Picture(
        data=data,
        request=verdict.request,
        rendering=verdict.rendering,
        inspection=inspection,
        judgement=verdict.judgement,
        at_ms=verdict.at_ms if rendered_ms is None else rendered_ms,
        standing="Recalled after it was accepted" if recalled else standing(verdict),
        sound=isinstance(verdict, AssetApproved) and not recalled,
    )


def _measured(steps: Sequence[Step], verdict: Verdict) -> tuple[int | None, Inspection | None]:
    """When the attempt was rendered, and what was measured on it."""
    rendered_ms: int | None = None
    inspection: Inspection | None = None
    key = (verdict.request.replay_id, verdict.request.attempt)
    for step in steps:
        match step.event:
            case ImageGenerated() as event if (event.request.replay_id, event.request.attempt) == key:
                rendered_ms = event.at_ms
            case ImageInspected() as event if (event.request.replay_id, event.request.attempt) == key:
                inspection = event.inspection
            case _:
                pass
    return rendered_ms, inspection


def standing(verdict: Verdict) -> str:
    """What became of an asset, in words for others: that a person looked, never who."""
    match verdict:
        case AssetApproved():
            by_checks = verdict.approved_by == "validation" or verdict.approved_by.startswith("release by ")
            return "Accepted by the checks" if by_checks else "Accepted by a person, after the checks"
        case AssetRejected():
            return "Rejected"
        case ReviewRequested():
            return "Waiting for a person to decide"
        case AssetHeld():
            return "Held back"
