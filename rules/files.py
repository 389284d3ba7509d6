"""What must hold of the files of a job and of the size that is delivered; each reason says how to mend it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rules.engines import EngineProfile
from rules.pipeline import COLOUR
from schemas.events import FileRef, FileRole, ImageFormat, Job

IMAGES: Final = ("image/png", "image/jpeg", "image/webp")
MEDIA: Final[Mapping[FileRole, tuple[str, ...]]] = {
    **dict.fromkeys(FileRole, IMAGES),
    FileRole.LAYOUT: ("application/json",),
}
"""Media types that a file of each role may have."""
ONE_EACH: Final = (FileRole.MASK, FileRole.INIT_IMAGE)
"""Roles of which a second file would leave open which one counts. Logos, layouts and colour masks add up."""
UPSCALES: Final = (1, 2, 4)
DELIVERED_PIXELS_MAX: Final = 8192 * 8192
"""Largest picture that is delivered: as large as the largest that a job may ask for without enlarging it."""
WEBP_SIDE_MAX: Final = 16_383
"""Longest side of the format."""


def file_reasons(job: Job, postprocess: Sequence[str]) -> Iterator[str]:
    """Why a job is refused for its files, its upscale or its size."""
    if job.upscale not in UPSCALES:
        yield f"upscale is {job.upscale}; ask for {', '.join(map(str, UPSCALES[:-1]))} or {UPSCALES[-1]}."
    width, height = job.width * job.upscale, job.height * job.upscale
    if width * height > DELIVERED_PIXELS_MAX:
        yield (
            f"{width} x {height} pixels are wanted, {DELIVERED_PIXELS_MAX} in all are delivered at most; "
            "ask for a smaller size or less upscale."
        )
    if job.format is ImageFormat.WEBP and max(width, height) > WEBP_SIDE_MAX:
        yield f"{width} x {height} pixels are wanted, a webp holds {WEBP_SIDE_MAX} a side; ask for png or jpeg."
    if job.files:
        yield from _wrong_files(job, postprocess)


def _wrong_files(job: Job, postprocess: Sequence[str]) -> Iterator[str]:
    for file in job.files:
        if (declared := file.media_type.partition(";")[0].strip().casefold()) not in MEDIA[file.role]:
            wanted = " or ".join(MEDIA[file.role])
            yield f"The file {file.name!r} is {declared or 'of no type'}, as {file.role.value} it must be {wanted}."
    by_role = {role: [f.name for f in job.files if f.role is role] for role in FileRole}
    for role in ONE_EACH:
        if len(names := by_role[role]) > 1:
            listed = ", ".join(repr(n) for n in names)
            yield f"{len(names)} files came as {role.value} ({listed}); send one."
    if (masks := by_role[FileRole.MASK]) and not by_role[FileRole.INIT_IMAGE]:
        yield f"The mask {masks[0]!r} says what of a picture is redone, and no init_image came with it; add it."
    if colour_masks := by_role[FileRole.COLOUR_MASK]:
        if COLOUR not in postprocess:
            yield f"The colour_mask {colour_masks[0]!r} is for {COLOUR}, which is not in force here; leave it away."
        if not job.brand:
            yield f"The colour_mask {colour_masks[0]!r} is for the colours of a brand; name the brand or leave it away."


def unusable(files: Sequence[FileRef], profile: EngineProfile, engines: Mapping[str, EngineProfile]) -> str | None:
    """Why the engine that was chosen cannot use a file, with those that can, or None."""
    wrong = next((f for f in files if not profile.uses(f.role)), None)
    if wrong is None:
        return None
    able = [e.id for e in engines.values() if all(e.uses(f.role) for f in files)]
    alone = [e.id for e in engines.values() if e.uses(wrong.role)]
    match able, alone:
        case [], []:
            mend = "no engine here can; leave the file away"
        case [], _:
            mend = f"{_listed(alone)} can, but not together with the other files; leave one away or split the job"
        case _:
            mend = f"{_listed(able)} can; ask for such an engine or leave the file away"
    return f"{profile.id} cannot use {wrong.name!r} as {wrong.role.value}; {mend}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(sorted(names))
