"""Shares: pages that stand alone, published under the hash of their bytes, listed, and taken back.

The page is in the store before the record that names it. It goes before the record that takes it back: where that is
interrupted, the page is gone already, and the same command says so to the topic afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import psycopg

from audit.trace import Step, trace
from broker import clients
from broker.settings import Settings
from ops import compare_view, share_page
from ops.compare import compare, rows, targets_of
from ops.labels import find_asset
from ops.share_page import Picture
from ops.whole_topic import whole_topic_events
from rules.modes import FailureMode
from schemas import ids
from schemas.catalogue import SHARES
from schemas.codec import Codec
from schemas.errors import BadConfig, Poison, Transient
from schemas.events import (
    AssetApproved,
    AssetHeld,
    AssetRecalled,
    AssetRejected,
    ImageGenerated,
    ImageInspected,
    Inspection,
    ReviewRequested,
    ShareChanged,
)
from schemas.registry import codec_for
from store import shares
from store.artifacts import ArtifactStore
from workers.checks.decode import media_type_of

STAGE: Final = "ops"
WRITE_S: Final = 30.0
SHARE_ID: Final = re.compile(r"[0-9a-f]{8,64}")
ASSET: Final = re.compile(r"[0-9a-f]{8,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:/[0-9a-f]{8,64})?")
MAX_PAGE_BYTES: Final = 64 * 1024 * 1024
"""A browser takes longer to show a larger one than anybody waits."""
MAX_JOBS: Final = 60
FOOT: Final = (
    "This page holds all that it shows: it loads nothing and runs nothing. It was published under the SHA-256 of its"
    " own bytes, so whoever has that can tell that nothing was changed. The pictures are previews; the SHA-256 of each"
    " picture itself stands below it."
)
Verdict = AssetApproved | AssetRejected | ReviewRequested | AssetHeld


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page to be shared: its title, its bytes, and the jobs that it shows."""

    title: str
    data: bytes
    job_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.data) > MAX_PAGE_BYTES:
            raise BadConfig(f"the page has {len(self.data)} bytes, at most {MAX_PAGE_BYTES} are shared")


def is_asset(target: str) -> bool:
    """Whether a target names one asset: by hash, by job, or both; all else is a replay."""
    return ASSET.fullmatch(target) is not None


def asset_page(
    conn: psycopg.Connection, store: ArtifactStore, codec: Codec, modes: Mapping[str, FailureMode], target: str, *,
    title: str = "", any_verdict: bool = False,
) -> Page:  # fmt: skip
    """The page of one asset. Raises BadConfig where it is unknown, was not accepted, or was recalled.

    `any_verdict` shares it all the same; the page says so then. Raises Poison where the store has lost it.
    """
    asset = find_asset(conn, target)
    picture = _picture(trace(conn, asset.job_id, codec), asset.asset_sha256, store)
    if not picture.sound and not any_verdict:
        raise BadConfig(
            f"asset {asset.asset_sha256[:16]}… may not go out: {picture.standing.lower()}",
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


def current(settings: Settings) -> tuple[ShareChanged, ...]:
    """The newest change of every share, the latest first. Raises Transient, BadConfig."""
    newest: dict[str, ShareChanged] = {}
    for event in whole_topic_events(settings, SHARES, codec_for(settings.schema_registry_url)):
        if isinstance(event, ShareChanged):
            newest[event.share_id] = event
    return tuple(sorted(newest.values(), key=lambda s: (-s.at_ms, s.share_id)))


def find(known: Sequence[ShareChanged], share_id: str) -> ShareChanged:
    """The share of an id, or of how one begins (8 digits or more). Raises BadConfig where it is none or several."""
    if not SHARE_ID.fullmatch(share_id):
        raise BadConfig(f"{share_id[:80]!r} is no id of a share", mend="`presscheck share list` tells them")
    found = [s for s in known if s.share_id.startswith(share_id)]
    if len(found) != 1:
        what = "there is no share" if not found else f"{len(found)} shares begin with"
        raise BadConfig(f"{what} {share_id}", mend="`presscheck share list --all` tells them")
    return found[0]


def publish(
    settings: Settings, store: ArtifactStore, page: Page, *, who: str, why: str, at_ms: int
) -> tuple[ShareChanged, bool]:
    """Store the page, then say so on the topic. False where the very same page is shared already.

    A page that was revoked is shared anew under its old address. Raises Poison for words out of bounds, Transient,
    Fatal as store and broker do.
    """
    share_id = shares.id_of(page.data)
    change = ShareChanged(
        event_id=ids.event_id(share_id, STAGE, f"shared {at_ms}"),
        at_ms=at_ms,
        share_id=share_id,
        title=page.title[:300],
        size_bytes=len(page.data),
        job_ids=page.job_ids,
        active=True,
        who=who,
        why=why,
    )
    former = next((s for s in current(settings) if s.share_id == share_id), None)
    shares.put(store, page.data)
    if former is not None and former.active:
        return former, False
    _announce(settings, change)
    return change, True


def revoke(
    settings: Settings, store: ArtifactStore, share_id: str, *, who: str, why: str, at_ms: int
) -> tuple[ShareChanged, bool]:
    """Remove the page, then say so on the topic. False where it was revoked before.

    Raises BadConfig where there is no such share, Transient and Fatal as store and broker do.
    """
    former = find(current(settings), share_id)
    shares.remove(store, former.share_id)
    if not former.active:
        return former, False
    change = replace(
        former,
        event_id=ids.event_id(former.share_id, STAGE, f"revoked {at_ms}"),
        at_ms=at_ms,
        active=False,
        who=who,
        why=why,
    )
    _announce(settings, change)
    return change, True


def fetch(settings: Settings, store: ArtifactStore, share_id: str) -> tuple[ShareChanged, bytes]:
    """A share and its page. Raises BadConfig where it is unknown, Poison where it was revoked, is gone or damaged."""
    share = find(current(settings), share_id)
    data = shares.get(store, share.share_id)
    if data is None:
        raise Poison(f"the share {share.share_id} {'is gone from the store' if share.active else 'was revoked'}")
    return share, data


def _announce(settings: Settings, change: ShareChanged) -> None:
    producer = clients.producer(settings)
    failed: list[str] = []
    producer.produce(
        SHARES,
        key=change.share_id.encode(),
        value=codec_for(settings.schema_registry_url).encode(change),
        on_delivery=lambda error, _: failed.append(error.str()) if error is not None else None,
    )
    if producer.flush(WRITE_S) or failed:
        raise Transient(f"the share was not taken: {failed[0] if failed else f'no answer in {WRITE_S:g} s'}; try again")
