"""One object store behind a small port: a local folder, S3, GCS or Azure, with errors in our own tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import LocalStore, from_url

from schemas.errors import BadConfig, Fatal, Poison, Transient

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config

    from broker.settings import Settings

MAX_OBJECT_BYTES: Final = 100 * 1024 * 1024
"""Largest object that is written or read: the bound of FileRef.size_bytes."""
SCHEMES: Final = ("file", "s3", "gs", "az")
RETRIES: Final = 3
RETRY_FOR: Final = timedelta(seconds=15)
"""The client's own retries end here; then the caller sees Transient and backs off."""


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects by key. Threads may share one."""

    remote: ObjectStore
    where: str
    """URL, for messages."""
    max_bytes: int = MAX_OBJECT_BYTES

    def write(self, key: str, data: bytes, *, media_type: str = "") -> None:
        """Write an object whole or not at all, over what was there; a bucket serves it as its media type.

        Raises Transient where the store is away, Fatal where it cannot be written to, Poison above the bound.
        """
        self._bounded(key, len(data))
        served: dict[str, str] = {"Content-Type": media_type} if media_type else {}
        try:
            # A folder keeps no attributes, and refuses an object that has some.
            obstore.put(self.remote, key, data, attributes=None if isinstance(self.remote, LocalStore) else served)
        except (BaseError, OSError) as e:
            raise self._writing(key, e) from e

    def write_new(self, key: str, data: bytes) -> bool:
        """Write an object if there is none under its key, in one step. False where there was. Raises as write."""
        self._bounded(key, len(data))
        try:
            obstore.put(self.remote, key, data, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as e:
            raise self._writing(key, e) from e
        return True

    def read(self, key: str) -> bytes | None:
        """The bytes under a key; None where there are none.

        Raises Transient where the store is away, Fatal where it refuses us, Poison above the bound.
        """
        try:
            result = obstore.get(self.remote, key)
            self._bounded(key, result.meta["size"])
            return result.bytes().to_bytes()
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as e:
            raise self._classed(key, e) from e

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys below a prefix, in no order, a chunk in memory at a time. Raises Transient, Fatal as read."""
        try:
            # Its stub leaves the variant for Arrow open, so it is said here what comes.
            chunks: Iterable[Sequence[ObjectMeta]] = obstore.list(self.remote, prefix)  # pyright: ignore[reportUnknownMemberType]
            for chunk in chunks:
                yield from (found["path"] for found in chunk)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as e:
            raise self._classed(prefix, e) from e

    def remove(self, key: str) -> None:
        """Remove an object; nothing happens where there is none. Raises Transient, Fatal as read."""
        try:
            obstore.delete(self.remote, key)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as e:
            raise self._classed(key, e) from e

    def _bounded(self, key: str, size: int) -> None:
        if size > self.max_bytes:
            raise Poison(f"{key} has {size} bytes, at most {self.max_bytes} are stored")

    def _writing(self, key: str, error: Exception) -> Fatal | Transient:
        if isinstance(error, FileNotFoundError):
            return Fatal(f"{self.where} does not exist, so {key} cannot be written; create the bucket or folder")
        return self._classed(key, error)

    def _classed(self, key: str, error: Exception) -> Fatal | Transient:
        why = str(error).splitlines()[0][:300]
        if isinstance(error, (PermissionDeniedError, UnauthenticatedError, PermissionError)):
            return Fatal(f"{self.where} refuses access to {key}: {why}; check the store's keys")
        if isinstance(error, (InvalidPathError, NotSupportedError)):
            return Fatal(f"{self.where} cannot take {key}: {why}")
        return Transient(f"{self.where} is away for {key}: {why}")


def open_objects(settings: Settings) -> Objects:
    """The store of the settings; nothing is read or written yet. Raises BadConfig naming the setting."""
    url = settings.store_location
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise BadConfig(f"PRESSCHECK_STORE_URL: {url!r} has no known scheme", mend=f"use {', '.join(SCHEMES)}")
    if parts.scheme == "file":
        return Objects(LocalStore(Path(url2pathname(parts.path)), mkdir=True), url)
    client: ClientConfig = {"connect_timeout": "3s", "timeout": "60s"}
    retry: RetryConfig = {"max_retries": RETRIES, "retry_timeout": RETRY_FOR}
    try:
        if parts.scheme == "s3":
            if settings.store_s3_endpoint.startswith("http://"):
                client["allow_http"] = True
            return Objects(from_url(url, config=_s3(settings), client_options=client, retry_config=retry), url)
        return Objects(from_url(url, client_options=client, retry_config=retry), url)
    except (UnknownConfigurationKeyError, BaseError, ValueError) as e:
        raise BadConfig(f"PRESSCHECK_STORE_URL: {str(e).splitlines()[0]}", mend="see docs/settings.md") from e


def _s3(settings: Settings) -> S3Config:
    config: S3Config = {"region": settings.store_s3_region}
    if settings.store_s3_endpoint:
        config["endpoint"] = settings.store_s3_endpoint
    if settings.store_s3_access_key_id:
        config["access_key_id"] = settings.store_s3_access_key_id
        config["secret_access_key"] = settings.store_s3_secret_access_key.get_secret_value()
    return config
