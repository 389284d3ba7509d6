"""Builds the engine of a profile, and says what this machine can run and why it cannot run the rest."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

import psutil

from broker.settings import Settings
from rules.engines import EngineKind, EngineProfile
from schemas.errors import BadConfig
from workers.engines import fonts, gpu, hosts, weights
from workers.engines.art import ArtSource, nobody_paints
from workers.engines.drawn import PaletteOf
from workers.engines.port import Engine
from workers.engines.simulator import Simulator
from workers.engines.typeset import Typeset

GIB: Final = 1024**3
LIBRARIES: Final = ("torch", "diffusers", "transformers")
"""What a pipeline needs; the extra `models` installs them."""


class Way(StrEnum):
    """How an engine is run here."""

    DRAWN = "drawn"
    CUDA = "cuda"
    CPU = "cpu"
    HOSTED = "hosted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """How this machine runs an engine itself, or None; `why` says what it runs on, or what is missing."""

    engine: str
    way: Way | None
    why: str

    @property
    def runs(self) -> bool:
        """Whether it runs here."""
        return self.way is not None


def build(profile: EngineProfile, settings: Settings, palette_of: PaletteOf, art: ArtSource = nobody_paints) -> Engine:
    """The engine itself; `art` gives typeset the engine that paints for it.

    Raises BadConfig where this machine cannot run it (see `available`).
    """
    state = availability(profile, settings)
    match state.way:
        case Way.DRAWN:
            if profile.kind is EngineKind.TYPESET:
                return Typeset(profile, palette_of, art=art, faces=fonts.with_folder(settings.fonts_dir))
            return Simulator(profile, palette_of)
        case Way.CUDA | Way.CPU:
            from workers.engines.sd3 import load

            return load(profile, weights.folder_of(profile, settings.models_location), state.way.value)
        case Way.HOSTED:
            return hosts.engine(profile, settings)
        case None:
            raise BadConfig(
                f"{profile.id} cannot run here: {state.why}", mend="leave it to the stand-in or to another machine"
            )
        case _:
            assert_never(state.way)


def stand_in(profile: EngineProfile, palette_of: PaletteOf) -> Engine:
    """The simulator in place of an engine that nobody serves here."""
    return Simulator(profile, palette_of)


def available(settings: Settings, engines: Mapping[str, EngineProfile]) -> tuple[Availability, ...]:
    """Every engine of a ruleset, by id, and whether this machine can run it itself."""
    return tuple(availability(engines[name], settings) for name in sorted(engines))


def availability(profile: EngineProfile, settings: Settings) -> Availability:
    """Whether this machine can run one engine itself, from its own weights before somebody's API."""
    match profile.kind:
        case EngineKind.SIMULATOR | EngineKind.TYPESET:
            way, why = Way.DRAWN, "draws on the CPU"
        case EngineKind.HTTP:
            way, why = _hosted(profile, settings)
        case EngineKind.SD3:
            way, why = _local(profile, settings)
            if way is None and profile.hosted is not None:
                local = why
                way, why = _hosted(profile, settings)
                why = why if way else f"{local}; or {why}"
        case _:
            assert_never(profile.kind)
    return Availability(engine=profile.id, way=way, why=why)


def _hosted(profile: EngineProfile, settings: Settings) -> tuple[Way | None, str]:
    if profile.hosted is None:
        return None, "its profile names no host"
    there, why = hosts.found(profile.hosted, settings)
    return Way.HOSTED if there else None, why


def _local(profile: EngineProfile, settings: Settings) -> tuple[Way | None, str]:
    """The cheap looks first: torch, which takes seconds to import, is only asked where weights are there."""
    found = weights.find(profile, settings.models_location)
    if found is None:
        own = f"put yours into {weights.folder_of(profile, settings.models_location)}"
        return None, f"no weights: {f'`presscheck engines fetch {profile.id}`' if profile.revision else own}"
    if profile.revision and found.revision not in {"", profile.revision}:
        there, pinned = found.revision[:12], profile.revision[:12]
        return None, f"weights of revision {there}, and {pinned} is pinned: `presscheck engines fetch {profile.id}`"
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        return None, f"{', '.join(missing)} not installed: install the extra `models`"
    need = weights.loaded_bytes(profile, found.folder)
    if settings.device == "cpu":
        have = psutil.virtual_memory().total
        return _fits(Way.CPU, "the CPU (slow)", need, have)
    seen = gpu.find()
    if seen is None:
        return None, "no GPU that torch can use; PRESSCHECK_DEVICE=cpu renders slowly without"
    return _fits(Way.CUDA, seen.name, need, seen.memory_bytes)


def _fits(way: Way, name: str, need: int, have: int) -> tuple[Way | None, str]:
    if need >= have:
        return None, (
            f"its weights need {need / GIB:.1f} GiB, {name} has {have / GIB:.1f}; "
            "set `offload` or `quantise` in its profile"
        )
    return way, f"{name}: weights take {need / GIB:.1f} of {have / GIB:.1f} GiB"
