"""A page with the pictures that wait for a label, on which a person says what is wrong: it saves a file of labels.

It names no verdict and no engine, so that neither sways whoever looks.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterable
from typing import Final

from jinja2 import Environment, PackageLoader
from PIL import Image, ImageOps

from audit.labels import WantedLabel
from schemas.errors import Poison
from store.artifacts import ArtifactStore

LONGER_SIDE_PX: Final = 1280
QUALITY: Final = 90


def target_of(wanted: WantedLabel) -> str:
    """What names this asset in a file of labels, even where two jobs made the same picture."""
    return f"{wanted.job_id}/{wanted.asset_sha256}"


def sheet(wanted: Iterable[WantedLabel], store: ArtifactStore, *, modes: Collection[str]) -> str:
    """One self-contained page; pictures are inside it as JPEG of at most 1280 px.

    An asset that is gone or does not decode has its line without a picture. Raises Transient where the store is away.
    """
    cards = [
        {
            "target": target_of(w),
            "prompt": w.prompt.strip() or "(empty prompt)",
            "required_text": w.required_text,
            "lane": w.lane,
            "asset_sha256": w.asset_sha256,
            "place": store.place(w.asset_sha256),
            **_picture(store, w.asset_sha256),
        }
        for w in wanted
    ]
    environment = Environment(loader=PackageLoader("ops"), autoescape=True)
    page = environment.get_template("label_sheet.html.j2")
    return page.render(title="Is anything wrong with it?", cards=cards, modes=modes)


def _picture(store: ArtifactStore, sha256: str) -> dict[str, str]:
    try:
        data = store.get(sha256)
    except Poison as e:
        return {"image": "", "missing": str(e)}
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            small = ImageOps.contain(image.convert("RGB"), _box(image), Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return {"image": "", "missing": "these bytes do not decode"}
    out = io.BytesIO()
    small.save(out, "JPEG", quality=QUALITY)
    return {"image": base64.b64encode(out.getvalue()).decode(), "missing": ""}


def _box(image: Image.Image) -> tuple[int, int]:
    side = min(LONGER_SIDE_PX, max(image.size))
    return side, side
