"""Loads sd3's weights as the profile says: precision, quantisation, compilation; and says what they are by a digest."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import diffusers
import structlog
import torch
import transformers

from rules.engines import EngineProfile, Loading, Offload, Quantise
from schemas.errors import BadConfig
from workers.engines.sd3_exact import one_by_one

DTYPES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
DIGESTS: Final = ".presscheck-digests.json"
"""Beside the weights: the hash of each file, with the length and the time of change at which it was taken."""


make = cast(Any, diffusers)


def pipeline(profile: EngineProfile, folder: Path, device: str) -> Any:
    """The StableDiffusion3Pipeline of a local folder, in CPU memory; nothing is fetched.

    Raises BadConfig where it does not load, or cannot be loaded like that on this device.
    """
    refuse(profile.loading, device)
    log = structlog.get_logger(__name__)
    log.info("loading weights", engine=profile.id, folder=str(folder), device=device)
    dtype = DTYPES.get(profile.precision, torch.float32)
    try:
        pipe = make.StableDiffusion3Pipeline.from_pretrained(
            str(folder),
            torch_dtype=dtype,
            local_files_only=True,
            quantization_config=_quantisation(profile.loading.quantise, dtype),
        )
    except (OSError, ValueError, KeyError) as e:
        raise BadConfig(f"the weights in {folder} do not load: {e}", mend="put a diffusers folder of SD3 there") from e
    log.info("weights loaded", engine=profile.id)
    return pipe


def refuse(loading: Loading, device: str) -> None:
    """Raises BadConfig for what this device or this installation cannot do."""
    cuda = device.startswith("cuda")
    if loading.offload is not Offload.NONE and not cuda:
        raise BadConfig(
            f"loading.offload: {loading.offload.value} moves weights off a GPU, and the device is {device}",
            mend="set offload: none",
        )
    if loading.quantise is Quantise.INT8 and importlib.util.find_spec("torchao") is None:
        raise BadConfig("loading.quantise: int8 needs torchao", mend="install the extra `models`")
    if loading.quantise is Quantise.NF4:
        if not cuda:
            raise BadConfig(f"loading.quantise: nf4 needs CUDA, and the device is {device}", mend="set quantise: int8")
        if importlib.util.find_spec("bitsandbytes") is None:
            raise BadConfig("loading.quantise: nf4 needs bitsandbytes", mend="install it, or set quantise: int8")


def prepare(pipe: Any, loading: Loading) -> None:
    """Change a pipeline as its profile says; a pipeline is prepared once."""
    pipe.vae.enable_slicing()  # pictures of a batch are encoded one by one, as they are decoded
    pipe.set_progress_bar_config(disable=True)
    if loading.compile:
        compile_blocks(pipe)
    if loading.exact:
        one_by_one(pipe)


def compile_blocks(pipe: Any) -> None:
    """Ask torch.compile for the transformer's blocks, one by one: they are alike, so one compilation serves all."""
    for block in pipe.transformer.transformer_blocks:
        block.compile()


def _quantisation(quantise: Quantise, dtype: torch.dtype) -> Any:
    """How the transformer's weights are kept; None as they are. The encoders and the VAE stay as they are."""
    if quantise is Quantise.NONE:
        return None
    if quantise is Quantise.INT8:
        from torchao.quantization import Int8WeightOnlyConfig

        how = make.TorchAoConfig(Int8WeightOnlyConfig())
    else:
        how = make.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    return make.PipelineQuantizationConfig(quant_mapping={"transformer": how})


def described(profile: EngineProfile) -> list[str]:
    """How weights are loaded, in words: precision, and whatever is out of the usual."""
    loading = profile.loading
    return [
        profile.precision,
        *([] if loading.quantise is Quantise.NONE else [loading.quantise.value]),
        *([] if loading.offload is Offload.NONE else [f"offload {loading.offload.value}"]),
        *(["compiled"] if loading.compile else []),
        *(["exact"] if loading.exact else []),
    ]


def digest(folder: Path, profile: EngineProfile) -> str:
    """Digest of the weights that are used, of how they are loaded, and of the libraries that run them.

    A file whose length and time of change are as before is not read again. Raises BadConfig where the index of the
    folder cannot be read.
    """
    how = " ".join(described(profile))
    whole = hashlib.sha256(f"torch {torch.__version__} diffusers {diffusers.__version__}".encode())
    whole.update(f" transformers {transformers.__version__} {how}".encode())
    known = _known(folder)
    seen: dict[str, list[int | str]] = {}
    for path in _used(folder):
        name, stat = path.relative_to(folder).as_posix(), path.stat()
        former = known.get(name, [])
        if former[:2] == [stat.st_size, stat.st_mtime_ns]:
            sha256 = str(former[2])
        else:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        seen[name] = [stat.st_size, stat.st_mtime_ns, sha256]
        whole.update(f"{name} {sha256}\n".encode())
    if seen != known:
        _remember(folder, seen)
    return f"sd3:{whole.hexdigest()}"


def _used(folder: Path) -> Iterator[Path]:
    """The index and all files of the parts that it names, in order. Other files play no part in a render."""
    index = folder / "model_index.json"
    try:
        parts = sorted(name for name in json.loads(index.read_text(encoding="utf-8")) if not name.startswith("_"))
    except (OSError, ValueError) as e:
        raise BadConfig(f"{index} cannot be read: {e}", mend="fetch the weights again") from e
    yield index
    for part in parts:
        yield from sorted(p for p in (folder / part).rglob("*") if p.is_file())


def _known(folder: Path) -> dict[str, list[int | str]]:
    """Hashes taken before; none where the file is missing or damaged, for they can be taken again."""
    try:
        said = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
        return {str(name): [int(size), int(changed), str(sha256)] for name, (size, changed, sha256) in said.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(folder: Path, seen: dict[str, list[int | str]]) -> None:
    part = folder / f"{DIGESTS}.{os.getpid()}"
    try:
        part.write_text(json.dumps(seen, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        part.replace(folder / DIGESTS)
    except OSError as e:  # weights may lie on a disk that is only read
        structlog.get_logger(__name__).warning("digests not kept", folder=str(folder), error=str(e))
