"""Takes an answer of a vision-language model apart: one JSON object, or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn, cast

from schemas.errors import Poison

MOST_SHOWN: Final = 200
"""Characters of an answer that go into a reason."""


class Unclear(Exception):
    """An answer that does not say what was asked. Says what came instead."""


def words_of(envelope: Any) -> str:
    """What the model wrote, from the body of a chat completion.

    Raises Unclear where it refused, was filtered or was cut off, and Poison where the body is no chat completion.
    """
    try:
        choice: Mapping[str, Any] = envelope["choices"][0]
        message: Mapping[str, Any] = choice["message"]
        refusal, content = message.get("refusal"), message.get("content")
        reason = choice.get("finish_reason")
    except (LookupError, TypeError, AttributeError):
        raise Poison("vision endpoint: the answer is no chat completion") from None
    if refusal:
        raise Unclear(f"it refused: {str(refusal)[:MOST_SHOWN]}")
    if reason not in {None, "stop", "eos"}:
        raise Unclear(f"its answer was ended by {str(reason)[:40]!r}")
    if not isinstance(content, str) or not content.strip():
        raise Unclear("it wrote nothing")
    return content


def object_in(content: str) -> Mapping[str, Any]:
    """The one JSON object in an answer; prose about it is passed over.

    Raises Unclear where there is none, where it is cut, names a key twice or holds no-numbers, and where a second one
    follows: which of two is meant nobody can say.
    """
    start = content.find("{")
    if start < 0:
        raise Unclear(f"it gave no JSON object: {content[:MOST_SHOWN]!r}")
    decoder = json.JSONDecoder(object_pairs_hook=_once_each, parse_constant=_no_number)
    try:
        found, end = decoder.raw_decode(content, start)
    except (ValueError, RecursionError):
        raise Unclear(f"its JSON object cannot be read: {content[start : start + MOST_SHOWN]!r}") from None
    if "{" in content[end:]:
        raise Unclear(f"it gave more than one JSON object: {content[:MOST_SHOWN]!r}")
    return cast("Mapping[str, Any]", found)


def _once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key stands twice")
    return out


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
