"""Replays from the manifests of the artifact store: the last resort, where neither log nor ledger has the records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from broker.settings import Settings
from ops.replay.source import Reach, Wanted
from rules.replay_plan import Entry, Place, Span
from schemas import ids
from schemas.catalogue import IMAGES_GENERATED, PROMPTS
from schemas.errors import BadConfig, Poison
from schemas.events import ImageGenerated, PromptSubmitted
from store import manifests
from store.artifacts import ArtifactStore, open_store
from store.manifests import ATTEMPTS, Attempt

TOPICS: Final = (PROMPTS, IMAGES_GENERATED)
"""Topics whose records can be made again of manifests."""
OWN_RUN: Final = re.compile(r".*/run/0\.json")
PER_MS: Final = 1_000
"""Places for the manifests of one millisecond: an offset here is a time in microseconds, the last three counted out."""
MANIFESTS_MAX: Final = 1_000_000


class ManifestSource:
    """Manifests by the time when their render ended, as if they were one partition: offsets are microseconds."""

    def __init__(self, settings: Settings) -> None:
        self._store: ArtifactStore = open_store(settings)

    def reach(self, wanted: Wanted) -> Reach:
        """The range of time. Raises BadConfig for offsets, for which manifests know no place."""
        if wanted.topic not in TOPICS:
            raise BadConfig(f"manifests hold no {wanted.topic}", mend=f"replay {' or '.join(TOPICS)} from them")
        begin = 0 if wanted.begin is None else wanted.begin.at_ms
        end = None if wanted.end is None else wanted.end.at_ms
        if begin is None or end is None or wanted.partition is not None:
            raise BadConfig("manifests have no offsets and no partitions", mend="give --from-time and --to-time")
        return Reach(spans=(Span(partition=0, start=begin * PER_MS, end=end * PER_MS),), gone=())

    def entries(self, topic: str, spans: Iterable[Span]) -> Iterator[Entry]:
        """One for each manifest; for prompts, one for each job that was rendered. Raises BadConfig for too many."""
        for span in spans:
            places = self._places(topic, span)
            for offset in sorted(places):
                if span.start <= offset < span.end:
                    place = Place(offset // PER_MS, span.partition, offset)
                    yield Entry(place=place, origin=None, event=_event(topic, self._load(places[offset])))

    def _places(self, topic: str, span: Span) -> dict[int, str]:
        """Keys by their offset. Those of one millisecond go by their key."""
        found: dict[int, str] = {}
        for key in sorted(k for k in self._store.objects.keys(ATTEMPTS) if topic != PROMPTS or OWN_RUN.fullmatch(k)):
            at_ms = self._load(key).manifest.at_ms
            if span.start // PER_MS <= at_ms < -(-span.end // PER_MS):
                if len(found) >= MANIFESTS_MAX:
                    raise BadConfig(f"more than {MANIFESTS_MAX} manifests lie there", mend="narrow the time")
                offset = at_ms * PER_MS
                while offset in found:
                    offset += 1
                found[offset] = key
        return found

    def _load(self, key: str) -> Attempt:
        said = self._store.objects.read(key)
        if said is None:
            raise Poison(f"{key} was there, and is gone")
        return manifests.load(self._store, str(cast("dict[str, Any]", json.loads(said))["manifest_sha256"]))


def _event(topic: str, attempt: Attempt) -> PromptSubmitted | ImageGenerated:
    """The record that this attempt gave, or that it came of."""
    manifest, event_id = attempt.manifest, ids.event_id(attempt.sha256, "manifest")
    if topic == PROMPTS:
        return PromptSubmitted(event_id=event_id, job=manifest.request.job)
    return ImageGenerated(
        event_id=event_id, at_ms=manifest.at_ms, request=manifest.request, rendering=attempt.rendering
    )
