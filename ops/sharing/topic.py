"""Which pages are shared: published under the hash of their bytes, told on topic `shares`, and taken back.

The newest record of a page says whether it is shared. Commands at the same time take no lock: each looks again after
it changed the store, and goes on until the store is as the newest record says. So whoever comes last leaves them
agreed, a page that was just revoked is not left in the store by somebody who was sharing it, and one that was
interrupted is finished by the next command on the same page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from broker import clients
from broker.faults import no_fault
from broker.settings import Settings
from ops.whole_topic import whole_topic_events
from schemas import ids
from schemas.catalogue import SHARES
from schemas.errors import BadConfig, Poison, Transient
from schemas.events import ShareChanged
from schemas.registry import codec_for
from store import shares
from store.artifacts import ArtifactStore

STAGE: Final = "ops"
WRITE_S: Final = 30.0
MAX_ROUNDS: Final = 8
"""How often a command looks again because somebody else changed the same page meanwhile."""
SHARE_ID: Final = re.compile(r"[0-9a-f]{8,64}")
MAX_PAGE_BYTES: Final = 64 * 1024 * 1024
"""A browser takes longer to show a larger one than anybody waits."""

Step = Literal["stored", "told", "removed"]
Fault = Callable[[Step], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page to be shared: its title, its bytes, and the jobs that it shows."""

    title: str
    data: bytes
    job_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.data) > MAX_PAGE_BYTES:
            raise BadConfig(f"the page has {len(self.data)} bytes, at most {MAX_PAGE_BYTES} are shared")


def current(settings: Settings) -> tuple[ShareChanged, ...]:
    """The newest change of every share, the latest first. Raises Transient, BadConfig."""
    newest: dict[str, ShareChanged] = {}
    for event in whole_topic_events(settings, SHARES, codec_for(settings.schema_registry_url)):
        if isinstance(event, ShareChanged):
            newest[event.share_id] = event
    return tuple(sorted(newest.values(), key=lambda s: (-s.at_ms, s.share_id)))


def checked(share_id: str) -> str:
    """The id of a share, or how one begins (8 digits or more). Raises BadConfig for what is none."""
    if not SHARE_ID.fullmatch(share_id):
        raise BadConfig(f"{share_id[:80]!r} is no id of a share", mend="`presscheck share list` tells them")
    return share_id


def find(known: Sequence[ShareChanged], share_id: str) -> ShareChanged:
    """The share of an id, or of how one begins (8 digits or more). Raises BadConfig where it is none or several."""
    checked(share_id)
    found = [s for s in known if s.share_id.startswith(share_id)]
    if len(found) != 1:
        what = "there is no share" if not found else f"{len(found)} shares begin with"
        raise BadConfig(f"{what} {share_id}", mend="`presscheck share list --all` tells them")
    return found[0]


def publish(
    settings: Settings, store: ArtifactStore, page: Page, *, who: str, why: str, at_ms: int, fault: Fault = no_fault
) -> tuple[ShareChanged, bool]:
    """Store the page, then say so on the topic. False where the very same page was shared already.

    A page that was revoked is shared anew under its old address; one that is revoked at the same time stays revoked,
    and its record is given back with `active` false. Raises Poison for words out of bounds, Transient, Fatal as store
    and broker do.
    """
    share_id = shares.id_of(page.data)
    change = ShareChanged(
        event_id=ids.event_id(share_id, STAGE, f"shared {at_ms} by {who}"),
        at_ms=at_ms,
        share_id=share_id,
        title=page.title[:300],
        size_bytes=len(page.data),
        job_ids=page.job_ids,
        active=True,
        who=who,
        why=why,
    )
    shares.put(store, page.data)
    fault("stored")
    said = _newest(settings, share_id)
    new = said is None or not said.active
    if said is None or not said.active:
        _tell(settings, change)
        said = change
    fault("told")
    for _ in range(MAX_ROUNDS):
        if not said.active:
            shares.remove(store, share_id)
            fault("removed")
        elif shares.get(store, share_id) is None:
            shares.put(store, page.data)
            fault("stored")
        again = _newest(settings, share_id)
        if again is None or again == said:
            return said, new
        said = again
    raise _crowded(share_id)


def revoke(
    settings: Settings, store: ArtifactStore, share_id: str, *, who: str, why: str, at_ms: int, fault: Fault = no_fault
) -> tuple[ShareChanged, bool]:
    """Remove the page, then say so on the topic. False where it was revoked before.

    Whoever shares the same page at the same time is overruled. Raises BadConfig where there is no such share,
    Transient and Fatal as store and broker do.
    """
    said = find(current(settings), share_id)
    done = False
    for n in range(MAX_ROUNDS):
        shares.remove(store, said.share_id)
        fault("removed")
        if said.active:
            said = replace(
                said,
                event_id=ids.event_id(said.share_id, STAGE, f"revoked {at_ms} by {who}, {n}"),
                at_ms=at_ms,
                active=False,
                who=who,
                why=why,
            )
            _tell(settings, said)
            done = True
            fault("told")
            # Whoever was sharing it may have stored it between our two steps, and stopped there.
            shares.remove(store, said.share_id)
            fault("removed")
        again = _newest(settings, said.share_id)
        if again is None or not again.active:
            return said, done
        said = again
    raise _crowded(said.share_id)


def fetch(settings: Settings, store: ArtifactStore, share_id: str) -> tuple[ShareChanged, bytes]:
    """A share and its page. Raises BadConfig where it is unknown, Poison where it was revoked, is gone or damaged."""
    share = find(current(settings), share_id)
    if not share.active:
        raise Poison(f"the share {share.share_id} was revoked")
    data = shares.get(store, share.share_id)
    if data is None:
        raise Poison(f"the share {share.share_id} is gone from the store; share the same again to mend it")
    return share, data


def _newest(settings: Settings, share_id: str) -> ShareChanged | None:
    return next((s for s in current(settings) if s.share_id == share_id), None)


def _crowded(share_id: str) -> Transient:
    return Transient(f"others keep changing the share {share_id}; run the command again once they are done")


def _tell(settings: Settings, change: ShareChanged) -> None:
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
