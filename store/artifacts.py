"""Artifacts by content: the address of bytes is their sha256, and reading proves it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.errors import Fatal, Poison
from store.objects import Objects, open_objects

if TYPE_CHECKING:
    from broker.settings import Settings

MARKER: Final = "presscheck-store.json"
FORMAT: Final = 1
"""Layout of the store. A store of another layout is refused when it is opened."""
PROBE: Final = "presscheck-probe"
PROBE_BYTES: Final = 1024 * 1024
"""As large as a small picture: a disk that is nearly full still takes a line."""
ADDRESS: Final = re.compile(r"[0-9a-f]{64}")


def key_of(sha256: str) -> str:
    """Key of an artifact: two characters of fan-out, so that no folder grows without end. Raises Poison."""
    if ADDRESS.fullmatch(sha256) is None:
        raise Poison(f"{sha256[:80]!r} is no artifact address; it is the sha256 of the bytes in lower-case hex")
    return f"artifacts/{sha256[:2]}/{sha256}"


@dataclass(frozen=True, slots=True)
class ArtifactStore:
    """Artifacts over one object store. Threads may share one."""

    objects: Objects

    def place(self, sha256: str) -> str:
        """The URL of an artifact in its store, for people and browsers. Raises Poison for what is no address."""
        return f"{self.objects.where.rstrip('/')}/{key_of(sha256)}"

    def put(self, data: bytes) -> str:
        """Store bytes and give their address. The same bytes twice are one artifact; a damaged one is mended.

        Raises Poison above `store.objects.MAX_OBJECT_BYTES`, Transient where the store is away, Fatal where it
        cannot be written to.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        self.objects.write(key_of(sha256), data)
        return sha256

    def get(self, sha256: str) -> bytes:
        """The bytes at an address.

        Raises Poison naming the address where there are none or where they do not hash to it, Transient where
        the store is away, Fatal where it refuses us.
        """
        key = key_of(sha256)
        data = self.objects.read(key)
        if data is None:
            raise Poison(f"artifact {sha256} is not in {self.objects.where}")
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise Poison(f"artifact {sha256} in {self.objects.where} is damaged: its {len(data)} bytes hash to {found}")
        return data


def prove_writable(store: ArtifactStore) -> None:
    """Write what is as large as a picture, over what was there.

    A worker asks before it renders: where nothing can be stored, each of its restarts would pay for a batch and lose
    it. Raises Transient, Fatal as `put` does.
    """
    store.objects.write(PROBE, bytes(PROBE_BYTES))


def open_store(settings: Settings) -> ArtifactStore:
    """Open the store of the settings and prove that it can be written and read.

    Raises BadConfig for a wrong URL, Fatal where the bucket is missing, refuses us or has another layout,
    Transient where it is away.
    """
    objects = open_objects(settings)
    said = objects.read(MARKER)
    if said is None:
        objects.write_new(MARKER, json.dumps({"format": FORMAT}).encode())
        said = objects.read(MARKER)
    if said is None or json.loads(said).get("format") != FORMAT:
        raise Fatal(f"{objects.where}/{MARKER} says {said!r}, want format {FORMAT}; point the store elsewhere")
    return ArtifactStore(objects)
