"""The page of one shared picture: what it shows of the picture is named here, and nothing else gets on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ops.files.credentials import credentials_of
from ops.pages import data_url, page
from ops.sharing.comparison_view import number
from rules.modes import FailureMode
from schemas.events import Defect, Inspection, Judgement, Rendering, RenderRequest
from workers.checks.decode import media_type_of

MAX_TITLE: Final = 80
FOOT: Final = (
    "This page holds all that it shows: it loads nothing and runs nothing. It was published under the SHA-256 of its"
    " own bytes, so whoever has that can tell that nothing was changed. The picture in it is the file itself, as it was"
    " checked: saved from here, it still has the SHA-256 above, and its content credentials."
)
UNSAMPLED: Final = "none"
"""Scheduler of engines that do not sample."""
STATES: Final[Mapping[str, str]] = {
    "Trusted": "Trusted: unchanged since it was signed, by a signer who is known",
    "Valid": "Valid: unchanged since it was signed; nobody known vouches for the signer",
    "Invalid": "Invalid: the file was changed, or what it says does not hold",
    "unreadable": "Unreadable",
}
MARKS: Final = "✗?✓"
"""What was found, what is in doubt, what was not found: in this order."""
SIMULATED: Final = "Drawn by the simulator, not by a model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All that is known of one picture, much of which is not told. `at_ms` is when it was rendered.

    `standing` says what became of it, `sound` whether it was accepted and still is.
    """

    data: bytes
    request: RenderRequest
    rendering: Rendering
    inspection: Inspection | None
    judgement: Judgement
    at_ms: int
    standing: str
    sound: bool


def html(picture: Picture, modes: Mapping[str, FailureMode], *, title: str) -> str:
    """The page that stands alone, with the file's own bytes in it. The same picture and title give the same page."""
    request, asset = picture.request, picture.rendering.asset
    wanted = [p.text for p in request.text.phrases]
    shown = f", with the text {' · '.join(wanted)}" if wanted else ""
    return page(
        "share.html.j2",
        title=title or usual_title(request),
        warning="" if picture.sound else f"This picture is not one that was accepted: {picture.standing.lower()}.",
        alt=f"The picture: {request.job.prompt.strip()[:500]}{shown}",
        image=data_url(picture.data, media_type_of(picture.data) or "application/octet-stream"),
        width=0 if asset is None else asset.width,
        height=0 if asset is None else asset.height,
        prompt=request.job.prompt.strip() or "(empty prompt)",
        wanted=wanted,
        verdict="good" if picture.sound else "doubt",
        said=picture.standing,
        checks=sorted(
            checks(picture.inspection, picture.judgement.defects, modes), key=lambda c: MARKS.index(c["mark"])
        ),
        numbers=list(numbers(picture)),
        provenance=list(provenance(picture)),
        sha256="" if asset is None else asset.sha256,
        credentials=list(credentials(picture.data)),
        foot=FOOT,
    )


def usual_title(request: RenderRequest) -> str:
    """Title where none is given: the wanted text, or how the prompt begins."""
    words = " · ".join(p.text for p in request.text.phrases) or " ".join(request.job.prompt.split()) or "Picture"
    return words if len(words) <= MAX_TITLE else f"{words[: MAX_TITLE - 1]}…"


def checks(
    inspection: Inspection | None, defects: Sequence[Defect], modes: Mapping[str, FailureMode]
) -> Iterator[dict[str, str]]:
    """Every failure mode that was looked for, and what came of it. Evidence is left out: it may name other jobs."""
    found: dict[str, bool] = {}
    for defect in defects:
        found[defect.mode] = found.get(defect.mode, False) or defect.certain
    measured = set[str]() if inspection is None else {m.check for m in inspection.measurements}
    failed = set[str]() if inspection is None else {e.check for e in inspection.errors}
    for mode in modes.values():
        by = set(mode.caught_by)
        if mode.name in found:
            yield _found(mode.title, certain=found.pop(mode.name))
        elif by & failed:
            yield {"name": mode.title, "said": "could not be measured", "mark": "?", "css": "doubt"}
        elif by & measured:
            yield {"name": mode.title, "said": "not found", "mark": "✓", "css": "good"}
    for name, certain in found.items():
        yield _found(name.replace("-", " ").capitalize(), certain=certain)


def _found(name: str, *, certain: bool) -> dict[str, str]:
    if certain:
        return {"name": name, "said": "found", "mark": "✗", "css": "bad"}
    return {"name": name, "said": "not ruled out", "mark": "?", "css": "doubt"}


def numbers(picture: Picture) -> Iterator[tuple[str, str]]:
    """What was measured, as far as it means something to others."""
    if picture.request.text.phrases and "text" in picture.judgement.scores:
        yield "Wanted text", f"{number('text_score', picture.judgement.scores['text'])} of it reads right"
    seen = () if picture.inspection is None else picture.inspection.measurements
    colours = next((m.value for m in seen if (m.check, m.name) == ("palette", "delta_e00_mean")), None)
    if colours is not None:
        yield "ΔE00", f"{number('delta_e00', colours)} on average to the brand's palette"


def provenance(picture: Picture) -> Iterator[tuple[str, str]]:
    """How the picture was made: enough to make it again, and nothing of where."""
    request, rendering, asset = picture.request, picture.rendering, picture.rendering.asset
    sampling = request.sampling
    yield "Made with", request.engine
    if rendering.backend == "simulator":
        yield "Note", SIMULATED
    yield "Model", rendering.model_digest or "no digest was told"
    if request.prompt.strip() != request.job.prompt.strip():
        yield "Prompt used", request.prompt.strip()
    if request.negative_prompt.strip():
        yield "Not wanted", request.negative_prompt.strip()
    if sampling.scheduler != UNSAMPLED:
        yield "Sampling", f"{sampling.scheduler}, {sampling.steps} steps, guidance {sampling.guidance:g}"
    yield "Seed", str(sampling.seed)
    if request.attempt:
        yield "Attempt", f"{request.attempt + 1}, after {request.attempt} that did not pass"
    yield "Rendered", datetime.fromtimestamp(picture.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if asset is not None:
        yield "File", f"{asset.media_type}, {asset.width} × {asset.height} pixels, {len(picture.data):,} bytes"


def credentials(data: bytes) -> Iterator[tuple[str, str]]:
    """What the content credentials in the file say, and whether they hold."""
    found = credentials_of(data)
    if found is None:
        yield "State", "None: the file carries no content credentials."
        return
    state = found["state"].partition(":")[0]  # a library's own words on what it could not read tell of this machine
    yield "State", STATES.get(state, state)
    for key, name in (
        ("signer", "Signed by"),
        ("made_with", "Made with"),
        ("source", "Source"),
        ("actions", "Actions"),
    ):
        if found.get(key):
            yield name, found[key]
