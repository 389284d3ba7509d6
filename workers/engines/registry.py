"""Builds the engine of a profile, and says what this machine can run and why it cannot run the rest."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from broker.settings import Settings
from rules.engines import EngineKind, EngineProfile
from schemas.errors import BadConfig
from workers.engines.drawn import PaletteOf
from workers.engines.port import Engine
from workers.engines.simulator import Simulator
from workers.engines.typeset import Typeset


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether this machine runs an engine itself; `why` says what is missing, or what it runs on."""

    engine: str
    runs: bool
    why: str


def build(profile: EngineProfile, settings: Settings, palette_of: PaletteOf) -> Engine:
    """The engine itself. Raises BadConfig where this machine cannot run it (see `available`)."""
    state = availability(profile, settings)
    if not state.runs:
        raise BadConfig(
            f"{profile.id} cannot run here: {state.why}", mend="leave it to the stand-in or to another machine"
        )
    match profile.kind:
        case EngineKind.SIMULATOR:
            return Simulator(profile, palette_of)
        case EngineKind.TYPESET:
            return Typeset(profile, palette_of)
        case EngineKind.SD3:
            from workers.engines.sd3 import load

            return load(profile, weights(profile, settings) or Path())
        case EngineKind.HTTP:
            raise BadConfig(f"{profile.id} is hosted, and hosted engines are not served yet")
        case _:
            assert_never(profile.kind)


def stand_in(profile: EngineProfile, palette_of: PaletteOf) -> Engine:
    """The simulator in place of an engine that nobody serves here."""
    return Simulator(profile, palette_of)


def available(settings: Settings, engines: Mapping[str, EngineProfile]) -> tuple[Availability, ...]:
    """Every engine of a ruleset, by id, and whether this machine can run it itself."""
    return tuple(availability(engines[name], settings) for name in sorted(engines))


def availability(profile: EngineProfile, settings: Settings) -> Availability:
    """Whether this machine can run one engine itself."""
    runs, why = _state(profile, settings)
    return Availability(engine=profile.id, runs=runs, why=why)


def _state(profile: EngineProfile, settings: Settings) -> tuple[bool, str]:
    match profile.kind:
        case EngineKind.SIMULATOR | EngineKind.TYPESET:
            return True, "draws on the CPU"
        case EngineKind.HTTP:
            return False, "hosted engines are not served yet"
        case EngineKind.SD3:
            missing = [m for m in ("torch", "diffusers", "transformers") if importlib.util.find_spec(m) is None]
            if missing:
                return False, f"{', '.join(missing)} not installed; install the extra `models`"
            found = weights(profile, settings)
            if found is None:
                return (
                    False,
                    f"no weights of {profile.model}; put them in a folder of that name under PRESSCHECK_MODELS_DIR",
                )
            from workers.engines.sd3 import gpu

            name = gpu()
            return (True, f"{name}, weights in {found}") if name else (False, "no GPU that torch can use")
        case _:
            assert_never(profile.kind)


def weights(profile: EngineProfile, settings: Settings) -> Path | None:
    """The folder with a profile's weights, or None."""
    if settings.models_dir is None:
        return None
    folder = settings.models_dir / profile.model
    return folder if (folder / "model_index.json").is_file() else None
