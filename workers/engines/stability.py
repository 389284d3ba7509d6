"""The Stability API's Stable Diffusion 3 endpoint: text to image, and image to image.

POST /v2beta/stable-image/generate/sd3 takes a form; the key travels as a bearer token. The picture comes in the answer
itself, with `finish-reason` and `seed` as headers. Content is refused with 403 (`content_moderation`) before it is
rendered, or with a finish reason of CONTENT_FILTERED and a blurred picture after. Source: the API's reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from schemas.events import FailureKind
from workers.engines.hosted import Asked, Picture
from workers.engines.hosted_fit import seed_for
from workers.engines.hosted_http import MOST_IMAGE_BYTES, Failed, Reply, Talk

PATH: Final = "/v2beta/stable-image/generate/sd3"
SHAPES: Final[Mapping[str, float]] = {
    f"{w}:{h}": w / h for w, h in ((1, 1), (16, 9), (9, 16), (21, 9), (9, 21), (2, 3), (3, 2), (4, 5), (5, 4))
}
SEEDS: Final = 2**32 - 2
"""Seeds run to 4294967294; 0 stands for a random one, so ours begin at 1."""
STRENGTH: Final = 0.5
"""How far a picture may leave the one it starts from: 0 keeps it, 1 forgets it."""
GUIDANCE: Final = (1.0, 10.0)
"""Bounds of `cfg_scale`."""
FILTERED: Final = "CONTENT_FILTERED"


class Stability:
    """An Api of the hosted engine. Steps and scheduler are the host's own affair."""

    name = "stability"
    shapes = SHAPES

    async def picture(self, talk: Talk, asked: Asked) -> Picture:
        """From text, or from a picture where there is one to start from. Raises Failed, Away."""
        seed, facts = seed_for(asked.request.sampling.seed, 1, SEEDS)
        form = {
            "prompt": asked.request.prompt,
            "model": asked.model,
            "seed": str(seed),
            "output_format": "png",
            "mode": "text-to-image" if asked.start is None else "image-to-image",
        }
        if asked.negative_prompt:
            form["negative_prompt"] = asked.negative_prompt
        if asked.guidance >= GUIDANCE[0]:
            form["cfg_scale"] = f"{min(asked.guidance, GUIDANCE[1]):g}"
        pictures: dict[str, Any] = {}
        if asked.start is None:
            form["aspect_ratio"] = asked.shape
        else:
            form["strength"] = f"{STRENGTH:g}"
            pictures["image"] = ("start", asked.start[1], asked.start[0].media_type)
        reply = await talk.ask(
            PATH,
            headers={"authorization": f"Bearer {talk.host.key.get_secret_value()}", "accept": "image/*"},
            most_bytes=MOST_IMAGE_BYTES,
            refused=_refused,
            # Given as `files`, every field is a part of multipart/form-data, also where there is no picture.
            files={**{name: (None, value) for name, value in form.items()}, **pictures},
        )
        if reply.headers.get("finish-reason") == FILTERED:
            raise Failed(FailureKind.REFUSED_BY_ENGINE, f"{talk.host.name} blurred the picture: {FILTERED}")
        if reply.media_type != "image/png":
            said = f"{talk.host.name} answered {reply.media_type or 'without a type'}, want image/png"
            raise Failed(FailureKind.ENGINE_ERROR, said)
        facts = {**facts, "operation": form["mode"], "sampling": "steps and scheduler are the host's own"}
        return Picture(data=reply.body, media_type=reply.media_type, facts=facts)


def _refused(reply: Reply) -> bool:
    """Whether the content was refused, and not the key: both are 403."""
    if reply.status != 403:
        return reply.status == 422
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and cast("dict[str, Any]", said).get("name") == "content_moderation"
