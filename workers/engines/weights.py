"""Weights on disk: where they lie, which revision they are, and what memory they take once loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from rules.engines import EngineProfile, Offload, Quantise
from schemas.errors import BadConfig

INDEX: Final = "model_index.json"
"""The file that makes a folder a diffusers pipeline: it names the parts."""
NOTE: Final = "presscheck-weights.json"
"""Beside the weights: model, revision, and each file's length and hash. Whoever put weights there by hand has none."""
WEIGHTS: Final = re.compile(r"(?:model|diffusion_pytorch_model)(?:-\d{5}-of-\d{5})?\.safetensors")
"""Names under which diffusers and transformers look for weights, when no variant (`fp16` say) is asked for."""
BYTES: Final[Mapping[str, float]] = {"bf16": 2, "fp16": 2, "fp32": 4}
QUANTISED: Final[Mapping[Quantise, float]] = {Quantise.INT8: 1, Quantise.NF4: 0.5625}
"""Bytes a number of the transformer takes. NF4: four bits, and one fp32 scale for each block of 64 (Dettmers et al.,
2023, without double quantisation)."""
_STORED: Final[Mapping[str, int]] = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
    "U8": 1, "BOOL": 1,
}  # fmt: skip
_HEADER_BYTES: Final = 100_000_000
"""Longest header that safetensors itself reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A pipeline's folder. `revision` is empty where nothing says which one it is."""

    folder: Path
    revision: str
    size_bytes: int


def folder_of(profile: EngineProfile, models: Path) -> Path:
    """Where a profile's weights lie, or would lie."""
    return models / profile.model


def find(profile: EngineProfile, models: Path) -> Installed | None:
    """The weights of a profile, or None. Raises BadConfig where their note cannot be read."""
    folder = folder_of(profile, models)
    if not (folder / INDEX).is_file():
        return None
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Installed(folder=folder, revision=_revision(folder), size_bytes=size)


def write_note(folder: Path, model: str, revision: str, files: Mapping[str, Mapping[str, int | str]]) -> None:
    """Say beside the weights what they are. It holds no time: the same weights give the same folder."""
    said = {"model": model, "revision": revision, "files": {name: dict(files[name]) for name in sorted(files)}}
    (folder / NOTE).write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _revision(folder: Path) -> str:
    note = folder / NOTE
    if not note.is_file():
        return ""
    try:
        return str(json.loads(note.read_text(encoding="utf-8"))["revision"])
    except (ValueError, KeyError, TypeError) as e:
        raise BadConfig(f"{note} is no note of ours: {e!r}", mend="delete it, or fetch the weights again") from e


def loaded_bytes(profile: EngineProfile, folder: Path) -> int:
    """Memory that the weights take on the accelerator, bytes: a picture on its way needs more than that.

    Counted from the headers of the files, by the profile's precision, quantisation and offload. Raises BadConfig
    where a file is no safetensors file.
    """
    parts: dict[str, float] = {}
    largest = 0.0
    each = BYTES.get(profile.precision, 4)
    for path in sorted(p for p in folder.glob("*/*") if WEIGHTS.fullmatch(p.name)):
        part = path.parent.name
        quantised = QUANTISED.get(profile.loading.quantise, each) if part == "transformer" else each
        for count in _counts(path):
            parts[part] = parts.get(part, 0) + count * quantised
            largest = max(largest, count * quantised)
    match profile.loading.offload:
        case Offload.NONE:
            return round(sum(parts.values()))
        case Offload.MODEL:
            return round(max(parts.values(), default=0))
        case Offload.SEQUENTIAL:
            return round(largest)


def _counts(path: Path) -> Iterator[int]:
    """How many numbers each tensor of a safetensors file holds; only the header is read."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        raw = file.read(length) if 0 < length <= _HEADER_BYTES else b""
    try:
        header = cast("dict[str, Any]", json.loads(raw))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        yield from ((t["data_offsets"][1] - t["data_offsets"][0]) // _STORED[t["dtype"]] for t in tensors)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as e:
        raise BadConfig(f"{path} is no safetensors file: {e!r}", mend="fetch the weights again") from e
