"""What sd3 may start from: pictures of the formats that are read everywhere, and nothing that starts a program."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.errors import Poison
from schemas.events import FileRole
from tests import renders
from workers.engines.sd3_sources import source

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n"


def test_postscript_that_calls_itself_a_png_is_not_opened() -> None:
    ref = renders.file_ref(POSTSCRIPT, FileRole.INIT_IMAGE, "start.png")
    asked = renders.request(size=(64, 64))
    asked = replace(asked, job=replace(asked.job, files=(ref,)))
    with pytest.raises(Poison, match=r"start\.png: .* cannot identify image file"):
        source(asked, {ref.sha256: POSTSCRIPT})
