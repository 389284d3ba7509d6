"""Shared pages by content: kept apart from artifacts, so that no retention of those reaches them."""

from __future__ import annotations

import hashlib
from typing import Final

from schemas.errors import Poison
from store.artifacts import ADDRESS, ArtifactStore

PREFIX: Final = "shares/"
"""Nothing but `remove` deletes below it. Rules of a bucket that let objects expire must leave it out."""
MEDIA_TYPE: Final = "text/html; charset=utf-8"


def key_of(share_id: str) -> str:
    """Key of a page, by the sha256 of its bytes. Raises Poison for what is none."""
    if ADDRESS.fullmatch(share_id) is None:
        raise Poison(f"{share_id[:80]!r} is no address of a page; it is the sha256 of its bytes in lower-case hex")
    return f"{PREFIX}{share_id[:2]}/{share_id}.html"


def address_of(store: ArtifactStore, share_id: str) -> str:
    """Where a page lies, as a URL of the store."""
    return f"{store.objects.where.rstrip('/')}/{key_of(share_id)}"


def id_of(page: bytes) -> str:
    """Address of a page: the same page is always the same share."""
    return hashlib.sha256(page).hexdigest()


def put(store: ArtifactStore, page: bytes) -> str:
    """Store a page and give its address; one that is damaged is mended. Raises as `Objects.write`."""
    share_id = id_of(page)
    store.objects.write(key_of(share_id), page, media_type=MEDIA_TYPE)
    return share_id


def get(store: ArtifactStore, share_id: str) -> bytes | None:
    """The page at an address, None where there is none (any more). Raises Poison where its bytes are others."""
    page = store.objects.read(key_of(share_id))
    if page is not None and id_of(page) != share_id:
        raise Poison(f"the page {share_id} in {store.objects.where} is damaged; share the same again to mend it")
    return page


def remove(store: ArtifactStore, share_id: str) -> None:
    """Remove a page: its address answers no more. Raises as `Objects.remove`."""
    store.objects.remove(key_of(share_id))
