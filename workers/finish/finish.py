"""Finishes a picture by the ruleset's steps: what is inspected is byte for byte what is delivered."""

from __future__ import annotations

import hashlib

from schemas.errors import Poison
from workers.finish.color_normalize import color_normalize
from workers.finish.port import Finished, Order


def finish(order: Order) -> Finished:
    """Apply the steps in order. Raises Poison for a step that nobody knows."""
    rendered = order.rendered
    data, media_type = rendered.encoded(), rendered.media_type
    picture_sha256 = hashlib.sha256(data).hexdigest()
    facts: dict[str, str] = {}
    for step in order.steps:
        if step != "color-normalize":
            raise Poison(f"there is no finishing step {step!r}")
        done = color_normalize(data, order.palette)
        facts[step] = done.note
        if done.changed:
            data, media_type = done.data, "image/png"
    return Finished(
        data=data,
        media_type=media_type,
        width=rendered.width,
        height=rendered.height,
        picture_sha256=picture_sha256,
        facts=facts,
    )
