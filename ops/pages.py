"""Pages that stand alone: no script, no network, nothing that is not on them; what people wrote is only ever text."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ops.contact_sheet import decoded

TEMPLATES: Final = Path(__file__).parent / "templates"
JPEG_QUALITY: Final = 84


def page(template: str, **shown: Any) -> str:
    """A page of a template. Its policy lets a browser use the pictures and the one style sheet on it, nothing else."""
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    environment = Environment(loader=PackageLoader("ops"), autoescape=True, undefined=StrictUndefined)
    # The sheet is a file of ours; escaped, its hash would be another.
    return environment.get_template(template).render(policy=policy, css=Markup(css), **shown)  # noqa: S704


def data_url(data: bytes, media_type: str) -> str:
    """Bytes as an address that holds them."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def preview(data: bytes | None, most_px: int) -> str:
    """A JPEG of at most so many pixels a side, as an address that holds it; empty where there are none to show."""
    small = decoded(data, (most_px, most_px))
    if small is None:
        return ""
    out = io.BytesIO()
    small.save(out, "JPEG", quality=JPEG_QUALITY)
    return data_url(out.getvalue(), "image/jpeg")
