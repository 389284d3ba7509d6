"""The files that come with a job, looked at before they are sent: type and size by role, and mask against picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from rules.files import MEDIA
from schemas.errors import Poison
from schemas.events import FileRole
from workers.checks.decode import MAX_BYTES, decode
from workers.checks.port import Broken
from workers.engines import layout
from workers.engines.logos import MOST_PIXELS, BadFile

PLACED_MAX: Final = 64
"""More phrases or logos than any job holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """One sound file. `size` is width and height in pixels once it is upright, None where it is no image."""

    role: FileRole
    path: Path
    media_type: str
    size: tuple[int, int] | None


def read_file(entry: object, folder: Path) -> JobFile:
    """One entry of "files", looked at whole. Raises Poison naming the file and the mend."""
    if not isinstance(entry, dict) or set(cast("dict[str, Any]", entry)) != {"role", "path"}:
        raise Poison(f'"files" holds {json.dumps(entry)[:80]}, want {{"role": …, "path": …}}')
    fields = cast("dict[str, Any]", entry)
    try:
        role = FileRole(fields["role"])
    except ValueError:
        raise Poison(f'file role "{fields["role"]}" is not known, want one of {", ".join(FileRole)}') from None
    name = str(fields["path"])
    path = folder / name
    if not path.is_file():
        raise Poison(f"file {name} is not there; relative paths start in {folder.absolute()}")
    most = layout.MOST_BYTES if role is FileRole.LAYOUT else MAX_BYTES
    length = path.stat().st_size
    if not 0 < length <= most:
        raise Poison(f"file {name} has {length} bytes, as {role.value} want 1..{most}")
    data = path.read_bytes()
    media_type, size = _layout(data, name) if role is FileRole.LAYOUT else _image(data, name, role)
    return JobFile(role=role, path=path, media_type=media_type, size=size)


def check_together(files: Sequence[JobFile], wanted: tuple[int, int]) -> None:
    """A mask, the picture that it masks and the picture that is wanted are of one size. Raises Poison naming them."""
    init = next((f for f in files if f.role is FileRole.INIT_IMAGE), None)
    mask = next((f for f in files if f.role is FileRole.MASK), None)
    if mask is not None and init is None:
        raise Poison(f"file {mask.path.name} is a mask, and no init_image came with it; add the picture that it masks")
    if mask is not None and init is not None and mask.size != init.size:
        raise Poison(
            f"file {mask.path.name} is {_by(mask)} and {init.path.name} is {_by(init)}; make the mask as large as the"
            " picture"
        )
    if mask is not None and init is not None and init.size != wanted:
        raise Poison(
            f"file {init.path.name} is {_by(init)} and the job {wanted[0]} x {wanted[1]}; what a mask keeps is not"
            f" resized: set width and height to the picture's"
        )


def _by(file: JobFile) -> str:
    return " x ".join(map(str, file.size or ()))


def _layout(data: bytes, name: str) -> tuple[str, None]:
    """What the file says by itself; how many phrases and logos there are to place is known once sanity has looked."""
    try:
        layout.parse(data, f"file {name}", phrases=PLACED_MAX, logos=PLACED_MAX)
    except BadFile as e:
        raise Poison(str(e)) from None
    return MEDIA[FileRole.LAYOUT][0], None


def _image(data: bytes, name: str, role: FileRole) -> tuple[str, tuple[int, int]]:
    """Media type and size of an image, found by decoding it whole, as the workers will."""
    seen = decode(data)
    if isinstance(seen, Broken):
        raise Poison(f"file {name} is not a sound image: {seen.reason}; send a PNG, JPEG or WebP as {role.value}")
    if seen.media_type not in MEDIA[role]:
        raise Poison(f"file {name} is {seen.media_type}, as {role.value} send {' or '.join(MEDIA[role])}")
    height, width, _ = seen.pixels.shape
    if width * height > MOST_PIXELS:
        raise Poison(
            f"file {name} has {width} x {height} pixels, at most {MOST_PIXELS} in all are read; send a smaller"
        )
    if role is FileRole.MASK and not seen.pixels.any():
        raise Poison(f"file {name} is black all over, so nothing would be redone; paint white what is")
    return seen.media_type, (width, height)
