"""The repair ladder: what is tried next for an asset that failed, bounded by attempts and by cost."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rules.engines import EngineProfile
from rules.modes import FailureMode
from rules.regions import Region, parse_region
from rules.tree import Node
from schemas.events import Defect, Edit, FailureKind, FileRole, Preset, Rendering, RenderRequest, Repair, Rung

CLIENT_MEND: Final = "client_mend"
"""The repair of a refused prompt: the refusal tells the client what to change."""
STEPS: Final = (Rung.SAFER_SAMPLING, Rung.TEXT_REGION, Rung.TEXT_SPECIALIST, Rung.TYPESET, Rung.HUMAN)
"""The ladder from the cheapest step to a person; config may leave steps out, never reorder them."""
TYPESET_ENGINE: Final = "typeset"
REGION: Final = Rung.TEXT_REGION.value
MAX_SEED: Final = 2**53 - 1
LAYOUT_TAGS: Final = frozenset({"text", "layout", "logo"})
"""Work that typeset can do: it sets text, layouts and logo files, and cannot paint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The steps in force and their bounds. `max_attempts` counts renders, the first one included."""

    repairs: tuple[str, ...]
    max_attempts: int
    max_cost_usd: float
    failures: Mapping[FailureKind, str]
    """Failure mode of each kind of failed render."""
    specialist: str | None
    region: Region | None
    """How the step text_region redoes boxes; None where it is no step."""

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The steps that a render or a person takes, in order."""
        return tuple(Rung(r) for r in self.repairs if r != CLIENT_MEND)


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No step is left; a person must decide. `why` says what ended it."""

    why: str


def parse_ladder(root: Node, *, modes: frozenset[str], engines: frozenset[str], specialist: str | None) -> Ladder:
    """ladder.yml. Raises BadConfig."""
    f = root.fields(["repairs", "max_attempts", "max_cost_usd", "render_failures"], [REGION])
    known = [*(s.value for s in STEPS), CLIENT_MEND]
    repairs = f["repairs"].choices(known, "repair")
    if list(repairs) != [r for r in known if r in repairs]:
        raise f["repairs"].bad("the steps are out of order", f"keep the order {', '.join(known)}")
    if Rung.HUMAN.value not in repairs:
        raise f["repairs"].bad("no step leads to a person", f"add {Rung.HUMAN.value}")
    if Rung.TYPESET.value in repairs and TYPESET_ENGINE not in engines:
        raise f["repairs"].bad("typeset is a step, and no engine has that id", "add its profile to engines.yml")
    if Rung.TEXT_SPECIALIST.value in repairs and specialist is None:
        raise f["repairs"].bad(
            "text_specialist is a step, and the text validator of pipeline.yml names no specialist", "remove one"
        )
    if (REGION in f) is not (REGION in repairs):
        raise root.bad(f"{REGION} stands in one of repairs and settings only", "give both, or neither")
    failures = f["render_failures"].fields([k.value for k in FailureKind])
    return Ladder(
        repairs=repairs,
        max_attempts=f["max_attempts"].integer(1, 32),
        max_cost_usd=f["max_cost_usd"].number(0, 1000),
        failures={k: failures[k.value].choice(modes, "failure mode") for k in FailureKind},
        specialist=specialist,
        region=parse_region(f[REGION]) if REGION in f else None,
    )


def derived_seed(seed: int, attempt: int) -> int:
    """Seed of an attempt: the job's own first, then 53 bits of sha256 over job seed and attempt."""
    return seed if attempt == 0 else _hashed(seed, attempt)


def fresh_seed(seed: int, replay_id: str) -> int:
    """Seed of a job in a replay that takes new ones: 53 bits of sha256 over its own and the replay's id.

    All attempts of the run follow from it, so that none repeats a picture of a former run.
    """
    return _hashed(seed, replay_id)


def _hashed(seed: int, of: int | str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{of}".encode()).digest()[:8], "big") & MAX_SEED


def next_repair(
    request: RenderRequest,
    rendering: Rendering,
    defects: Sequence[Defect],
    ladder: Ladder,
    *,
    modes: Mapping[str, FailureMode],
    engines: Mapping[str, EngineProfile],
    edit: Edit | None = None,
) -> Repair | Exhausted:
    """The next step for the certain defects of an attempt; `edit` is what could be redone of it, if anything.

    Each mode may be mended by the steps it names. With several modes the ladder starts where the last of
    them does: what sets wrong text right also draws a new picture, and not the other way round.
    """
    attempt = request.attempt + 1
    if attempt >= ladder.max_attempts:
        return Exhausted(f"all {ladder.max_attempts} attempts are used")
    certain = [d for d in defects if d.certain]
    allowed = _steps(certain, modes, ladder)
    if request.job.engine is not None and allowed != (Rung.HUMAN,):
        # Who insists on an engine gets its safer preset and then a person, never another engine in silence.
        allowed = tuple(r for r in ladder.rungs if r in {Rung.SAFER_SAMPLING, Rung.TEXT_REGION, Rung.HUMAN})
    spent = request.cost_spent_usd + rendering.cost_usd
    too_dear = False
    for rung in allowed:
        proposal = _proposal(rung, replace(request, edit=edit if rung is Rung.TEXT_REGION else None), ladder, engines)
        if proposal is None:
            continue
        profile, preset = proposal
        if spent + profile.expected_cost_usd > ladder.max_cost_usd:
            too_dear = True
            continue
        names = ", ".join(sorted({d.mode for d in certain}))
        return Repair(
            rung=rung,
            attempt=attempt,
            engine=profile.id,
            sampling=profile.preset(preset).sampling(preset, derived_seed(request.job.seed, attempt)),
            edit=edit if rung is Rung.TEXT_REGION else None,
            reason=f"{names}: {rung.value.replace('_', ' ')} with {profile.id}"[:1000],
        )
    if too_dear:
        return Exhausted(f"{spent:.4f} of {ladder.max_cost_usd:.4f} USD are spent, and the next step costs more")
    return Exhausted("no step of the ladder is left for this defect")


def _steps(certain: Sequence[Defect], modes: Mapping[str, FailureMode], ladder: Ladder) -> tuple[Rung, ...]:
    order = ladder.rungs
    each = [[r for r in order if r.value in modes[d.mode].repaired_by] for d in certain if d.mode in modes]
    starts = [order.index(steps[0]) for steps in each if steps]
    named = {r for steps in each for r in steps}
    return tuple(r for i, r in enumerate(order) if r in named and i >= max(starts, default=0))


def _proposal(
    rung: Rung, request: RenderRequest, ladder: Ladder, engines: Mapping[str, EngineProfile]
) -> tuple[EngineProfile, Preset] | None:
    """Engine and preset of a step, or None where it does not apply to this attempt.

    A region is redone with the safe preset. No step leads back from there to the same engine, so an engine is asked
    for that once.
    """
    preset = Preset.STANDARD
    match rung:
        case Rung.SAFER_SAMPLING if request.sampling.preset is not Preset.SAFE:
            engine, preset = request.engine, Preset.SAFE
        case Rung.TEXT_REGION if request.edit is not None:
            engine, preset = request.engine, Preset.SAFE
        case Rung.TEXT_SPECIALIST if request.text.phrases and request.engine not in {ladder.specialist, TYPESET_ENGINE}:
            engine = ladder.specialist
        case Rung.TYPESET if request.engine != TYPESET_ENGINE and _can_be_set(request):
            engine = TYPESET_ENGINE
        case _:
            return None
    profile = engines.get(engine or "")
    if profile is None:
        return None
    if profile.refuses(profile.preset(preset).sampling(preset, 0), request) is not None:
        return None
    return profile, preset


def _can_be_set(request: RenderRequest) -> bool:
    logo_file = any(f.role is FileRole.LOGO for f in request.job.files)
    return bool(request.text.phrases) or logo_file or bool(LAYOUT_TAGS & {t.name for t in request.tags})
