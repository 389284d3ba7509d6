"""An event as JSON can hold it: what `tail`, `audit trace` and the console show."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, cast

from schemas.codec import plain
from schemas.events import Event


def event_json(event: Event) -> dict[str, Any]:
    """The event's fields; bytes become {"base64": …}, so that nobody takes them for text."""
    return {name: as_json(value) for name, value in cast("dict[str, Any]", plain(event)).items()}


def bytes_json(value: bytes | None) -> Any:
    """Bytes as text where they are printable UTF-8, else as {"base64": …}; null stays null."""
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return as_json(value)
    return text if text.isprintable() else as_json(value)


def as_json(value: Any) -> Any:
    """A tree of plain values with the bytes in it tagged."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [as_json(v) for v in cast("list[Any]", value)]
    if isinstance(value, Mapping):
        return {k: as_json(v) for k, v in cast("Mapping[str, Any]", value).items()}
    return value
