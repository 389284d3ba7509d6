"""The Ideogram API, as its first models are asked: generate, remix, describe, upscale.

POST /generate takes JSON, the others a form with the picture; the key travels in `Api-Key`. Pictures come as links
that expire, so each is fetched at once. A picture that the host holds unsafe comes without a link, or is said to be so.
Source: the API's reference, "legacy" endpoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from schemas.events import FailureKind
from workers.engines.hosted import PICTURE_TYPES, Asked, Picture
from workers.engines.hosted_fit import seed_for
from workers.engines.hosted_http import MOST_ANSWER_BYTES, Failed, Reply, Talk

SHAPES: Final[Mapping[str, float]] = {
    f"ASPECT_{w}_{h}": w / h
    for w, h in ((1, 1), (10, 16), (16, 10), (9, 16), (16, 9), (3, 2), (2, 3), (4, 3), (3, 4), (1, 3), (3, 1))
}
SEEDS: Final = 2**31
"""Seeds run from 0 to 2147483647."""
IMAGE_WEIGHT: Final = 50
"""How much of the start picture a remix keeps, 1 to 100: the API's own default."""


class Ideogram:
    """An Api of the hosted engine."""

    name = "ideogram"
    shapes = SHAPES

    async def picture(self, talk: Talk, asked: Asked) -> Picture:
        """Generate, or remix where there is a picture to start from. Raises Failed, Away."""
        seed, facts = seed_for(asked.request.sampling.seed, 0, SEEDS)
        wanted: dict[str, Any] = {
            "prompt": asked.request.prompt,
            "model": asked.model,
            "aspect_ratio": asked.shape,
            # A prompt that the host rewrites is another prompt: the text contract was read from ours.
            "magic_prompt_option": "OFF",
            "seed": seed,
            "num_images": 1,
        }
        if asked.negative_prompt:
            wanted["negative_prompt"] = asked.negative_prompt
        operation = "generate"
        if asked.start is None:
            content: dict[str, Any] = {"json": {"image_request": wanted}}
        else:
            operation, (ref, data) = "remix", asked.start
            form = {"image_request": json.dumps({**wanted, "image_weight": IMAGE_WEIGHT})}
            content = {"data": form, "files": {"image_file": ("start", data, ref.media_type)}}
        reply = await talk.ask(f"/{operation}", headers=_headers(talk), most_bytes=MOST_ANSWER_BYTES, **content)
        return await _fetched(talk, reply, {"operation": operation, **facts})


async def describe(talk: Talk, data: bytes, media_type: str) -> tuple[str, ...]:
    """What the host sees in a picture, in words. Raises Failed, Away."""
    reply = await talk.ask(
        "/describe",
        headers=_headers(talk),
        most_bytes=MOST_ANSWER_BYTES,
        files={"image_file": ("picture", data, media_type)},
    )
    answer = reply.json()
    rows = cast("dict[str, Any]", answer).get("descriptions") if isinstance(answer, dict) else None
    texts = [cast("dict[str, Any]", r).get("text") for r in cast("list[Any]", rows or []) if isinstance(r, dict)]
    if not texts or not all(isinstance(t, str) for t in texts):
        raise Failed(FailureKind.ENGINE_ERROR, "the answer holds no `descriptions`")
    return tuple(cast("list[str]", texts))


async def upscale(talk: Talk, data: bytes, media_type: str) -> Picture:
    """A picture at twice its size, with details that the host makes up. Raises Failed, Away."""
    reply = await talk.ask(
        "/upscale",
        headers=_headers(talk),
        most_bytes=MOST_ANSWER_BYTES,
        data={"image_request": "{}"},
        files={"image_file": ("picture", data, media_type)},
    )
    return await _fetched(talk, reply, {"operation": "upscale"})


async def _fetched(talk: Talk, reply: Reply, facts: Mapping[str, str]) -> Picture:
    """The one picture of an answer, fetched before its link expires."""
    image = await talk.fetch(_link(reply.json()))
    if image.media_type not in PICTURE_TYPES:
        raise Failed(FailureKind.CORRUPT_OUTPUT, f"the result is {image.media_type or 'of no type'}, and no image")
    return Picture(data=image.body, media_type=image.media_type, facts=facts)


def _headers(talk: Talk) -> Mapping[str, str]:
    return {"api-key": talk.host.key.get_secret_value(), "accept": "application/json"}


def _link(answer: Any) -> str:
    """Link to the one picture of an answer. Raises Failed where it was refused, or the answer is none."""
    rows = cast("dict[str, Any]", answer).get("data") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not rows or not isinstance(row := cast("list[Any]", rows)[0], dict):
        raise Failed(FailureKind.ENGINE_ERROR, "the answer holds no `data`")
    one = cast("dict[str, Any]", row)
    safe, link = one.get("is_image_safe"), one.get("url")
    if safe is False or (safe is True and link is None):
        raise Failed(FailureKind.REFUSED_BY_ENGINE, "the host holds the picture unsafe and gives no link to it")
    if not isinstance(safe, bool) or not isinstance(link, str) or not link:
        raise Failed(FailureKind.ENGINE_ERROR, "the answer lacks `is_image_safe` or `url`")
    return link
