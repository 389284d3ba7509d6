"""What to fetch of a model: the files that diffusers loads, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, cast

from rules.engines import EngineKind, EngineProfile
from schemas.errors import BadConfig
from workers.engines.weights import INDEX, WEIGHTS

SETTINGS_FILES: Final = (".json", ".txt", ".model")
"""Suffixes of configurations, vocabularies and tokenizers."""
LICENCES: Final = ("LICENSE", "LICENCE", "NOTICE")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """One file as the hub states it: its length, its sha256 where it is a large file, and git's hash where not."""

    name: str
    size_bytes: int
    sha256: str | None
    git_sha1: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be fetched, and where to. `kept_bytes` were fetched before."""

    profile: EngineProfile
    revision: str
    files: tuple[HubFile, ...]
    target: Path
    partial: Path
    kept_bytes: int

    @property
    def size_bytes(self) -> int:
        """Length of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def missing_bytes(self) -> int:
        """What is still to be fetched."""
        return max(0, self.size_bytes - self.kept_bytes)


def refusal(profile: EngineProfile, engines: Iterable[EngineProfile]) -> BadConfig | None:
    """Why there is nothing to fetch for an engine and what to do instead, or None."""
    match profile.kind:
        case EngineKind.SIMULATOR | EngineKind.TYPESET:
            return BadConfig(f"{profile.id} has no weights: it draws by itself", mend=_try(profile))
        case EngineKind.HTTP | EngineKind.SD3 if not profile.revision:
            fetched = ", ".join(sorted(e.id for e in engines if e.kind is EngineKind.SD3 and e.revision))
            where = "is hosted: set its API key (docs/settings.md)" if profile.hosted else "has no pinned revision"
            own = f", or put weights of yours in {profile.model} under PRESSCHECK_MODELS_DIR" * (
                profile.kind is EngineKind.SD3
            )
            return BadConfig(f"no public weights of {profile.id} are known: it {where}{own}", mend=f"known: {fetched}")
        case _:
            return None


def _try(profile: EngineProfile) -> str:
    return f'try it: presscheck engines try {profile.id} "a red tent in snow"'


def choose(profile: EngineProfile, files: Mapping[str, HubFile], index: Mapping[str, Any]) -> tuple[HubFile, ...]:
    """The files that diffusers loads: the index, and of each part its configuration and its weights once.

    Single-file checkpoints, pictures and further precisions of the same weights stay behind. Raises BadConfig where
    a part has weights only in a layout that diffusers would not load by itself.
    """
    chosen = [f for name, f in files.items() if name == INDEX or name.startswith(LICENCES)]
    parts = sorted(name for name, what in index.items() if isinstance(what, list) and any(cast("list[Any]", what)))
    for part in parts:
        inside = [f for f in files.values() if PurePosixPath(f.name).parent == PurePosixPath(part)]
        named = {PurePosixPath(f.name).name: f for f in inside}
        heavy = [f for name, f in named.items() if WEIGHTS.fullmatch(name)]
        if not inside or (not heavy and any(name.endswith((".safetensors", ".bin")) for name in named)):
            raise BadConfig(
                f"{profile.model} has no {part} that diffusers would load: {', '.join(named) or 'nothing'}",
                mend="name another model or revision in config/engines.yml",
            )
        light = [f for name, f in named.items() if name.endswith(SETTINGS_FILES) and ".fp16." not in name]
        chosen += [*light, *heavy]
    return tuple(sorted(chosen, key=lambda f: f.name))
