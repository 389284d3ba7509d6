"""What each engine of the ruleset is, what of it lies here, and what this machine can run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import psutil

from broker.settings import Settings
from rules.engines import EngineProfile
from rules.ruleset import Ruleset
from rules.tree import nearest
from schemas.errors import BadConfig
from workers.engines import gpu, registry, weights

GIB: Final = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What engines may run on here. Bytes of memory; `gpu` is None where torch would use none."""

    cores: int
    memory_bytes: int
    gpu: gpu.Gpu | None
    free_disk_bytes: int
    models: str

    def line(self) -> str:
        """In one line, for people."""
        card = f"{self.gpu.name}, {self.gpu.memory_bytes / GIB:.0f} GiB" if self.gpu else "no GPU"
        return f"{self.cores} cores, {self.memory_bytes / GIB:.0f} GiB of memory, {card}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One engine. `way` is how it runs here, None where it does not; `why` says on what, or what is missing.

    `installed_revision` is empty where weights lie here without a note of ours. `batches` holds (pixels of one
    image up to which it holds, largest batch). Prices are US dollars.
    """

    engine: str
    kind: str
    model: str
    revision: str
    licence: str
    way: str | None
    why: str
    installed: bool
    installed_revision: str
    size_bytes: int
    precision: str
    quantise: str
    offload: str
    batches: tuple[tuple[int, int], ...]
    price_per_image_usd: float
    price_per_second_usd: float

    @property
    def price(self) -> str:
        """As people say it."""
        parts = [(self.price_per_image_usd, "image"), (self.price_per_second_usd, "s")]
        return ", ".join(f"${value:g}/{unit}" for value, unit in parts if value) or "free"

    @property
    def weights(self) -> str:
        """Size of what lies here, and whether it is what the profile pins."""
        if not self.installed:
            return "-"
        stale = bool(self.revision) and bool(self.installed_revision) and self.revision != self.installed_revision
        return f"{self.size_bytes / 1e9:.1f} GB" + (" (another revision)" if stale else "")

    def facts(self) -> dict[str, Any]:
        """What is printed as JSON."""
        return {**asdict(self), "runs": self.way is not None}


def engine_id(name: str, ruleset: Ruleset) -> str:
    """The id given. Raises BadConfig with the nearest right one where there is no such engine."""
    if name not in ruleset.engines:
        raise BadConfig(f"there is no engine {name!r}", mend=nearest(name, ruleset.engines))
    return name


def machine(settings: Settings) -> Machine:
    """This machine; torch is asked for its GPU, which takes a moment."""
    models = settings.models_location.absolute()
    there = next(p for p in (models, *models.parents) if p.exists())
    return Machine(
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        gpu=gpu.find() if settings.device != "cpu" else None,
        free_disk_bytes=psutil.disk_usage(str(there)).free,
        models=str(models),
    )


def lines(profiles: Sequence[EngineProfile], settings: Settings) -> tuple[Line, ...]:
    """Every engine by id. Raises BadConfig where weights that lie here are damaged."""
    return tuple(_line(profile, settings) for profile in sorted(profiles, key=lambda p: p.id))


def _line(profile: EngineProfile, settings: Settings) -> Line:
    found = weights.find(profile, settings.models_location)
    state = registry.availability(profile, settings)
    return Line(
        engine=profile.id,
        kind=profile.kind.value,
        model=profile.model,
        revision=profile.revision,
        licence=profile.licence,
        way=state.way.value if state.way else None,
        why=state.why,
        installed=found is not None,
        installed_revision=found.revision if found else "",
        size_bytes=found.size_bytes if found else 0,
        precision=profile.precision,
        quantise=profile.loading.quantise.value,
        offload=profile.loading.offload.value,
        batches=profile.batches,
        price_per_image_usd=profile.price_per_image_usd,
        price_per_second_usd=profile.price_per_second_usd,
    )
