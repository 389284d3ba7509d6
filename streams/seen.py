"""The idempotency keys taken, for each partition of `prompts`: small in memory, exact after every take-over."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from schemas.codec import Codec
from schemas.errors import Poison
from schemas.events import PromptSeen

MAX_KEYS: Final = 1_000_000
"""Keys kept for one partition: about 200 MB. The oldest are forgotten first, and the log says so."""
DIGEST_BYTES: Final = 16


class SeenKeys:
    """Job ids taken on one partition, each as 16 bytes, with the first 16 bytes of the content's hash."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys, self._forgot = max_keys, False
        self._digests: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._digests)

    def digest_of(self, job_id: str) -> bytes | None:
        """Start of the content's hash under which a job was taken; None where it is new."""
        return self._digests.get(uuid.UUID(job_id).bytes)

    def add(self, taken: Mapping[str, bytes]) -> None:
        """Remember jobs and the starts of their content's hashes, oldest first."""
        for job_id, digest in taken.items():
            key = uuid.UUID(job_id).bytes
            self._digests.pop(key, None)  # a key that is taken again is young again, as in the compacted topic
            self._digests[key] = digest
        while len(self._digests) > self._max_keys:
            if not self._forgot:
                self._forgot = True
                structlog.get_logger(__name__).warning("forgetting the oldest idempotency keys", most=self._max_keys)
            del self._digests[next(iter(self._digests))]


def read_back(records: Iterable[tuple[bytes | None, bytes | None]], codec: Codec) -> SeenKeys:
    """The keys in records of `prompts.seen`; one that cannot be read is logged and skipped."""
    seen = SeenKeys()
    for key, value in records:
        if value is None:
            continue  # a deleted key; compaction will take the others of it away
        try:
            event = codec.decode(value)
            if not isinstance(event, PromptSeen):
                raise Poison(f"this is a {type(event).__name__}, want PromptSeen")
        except Poison as e:
            structlog.get_logger(__name__).error("skipped a record of prompts.seen", key=key, error=str(e))
            continue
        seen.add({event.job_id: digest(event.content_sha256)})
    return seen


def digest(content_sha256: str) -> bytes:
    """The part of a content's hash that is kept in memory."""
    return bytes.fromhex(content_sha256)[:DIGEST_BYTES]
