"""Weights on disk: what memory they will take, whose they are, and which files of a model are wanted at all."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from broker.settings import Settings
from ops.engines.weights import HubFile, choose
from rules.engines import EngineKind, EngineProfile, Loading, Offload, Quantise
from schemas.errors import BadConfig
from tests import renders
from workers.engines import registry, weights
from workers.engines.registry import Way

PROFILE = replace(renders.profile(EngineKind.SD3), model="maker/model", precision="bf16", revision="a" * 40)


def put(folder: Path, name: str, counts: list[int], dtype: str = "F16", size: int = 2) -> None:
    """A file with the header of tensors that hold so many numbers, and nothing behind it."""
    header, start = dict[str, object](), 0
    for n, count in enumerate(counts):
        header[f"w{n}"] = {"dtype": dtype, "shape": [count], "data_offsets": [start, start := start + count * size]}
    raw = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(raw)) + raw)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / PROFILE.model
    put(folder, "transformer/diffusion_pytorch_model-00001-of-00002.safetensors", [1000, 3000])
    put(folder, "transformer/diffusion_pytorch_model-00002-of-00002.safetensors", [4000])
    put(folder, "text_encoder/model.safetensors", [500], "F32", 4)
    put(folder, "text_encoder/model.fp16.safetensors", [500])
    put(folder, "vae/diffusion_pytorch_model.safetensors", [100])
    (folder / weights.INDEX).write_text("{}")
    return tmp_path


def loaded(models: Path, *, offload: Offload = Offload.NONE, quantise: Quantise = Quantise.NONE) -> int:
    profile = replace(PROFILE, loading=Loading(offload=offload, quantise=quantise))
    return weights.loaded_bytes(profile, models / PROFILE.model)


def test_memory_follows_precision_quantisation_and_offload(models: Path) -> None:
    assert loaded(models) == 2 * (8000 + 500 + 100)
    assert loaded(models, quantise=Quantise.INT8) == 8000 + 2 * 600
    assert loaded(models, quantise=Quantise.NF4) == 8000 * 0.5625 + 2 * 600
    assert loaded(models, offload=Offload.MODEL) == 2 * 8000
    assert loaded(models, offload=Offload.SEQUENTIAL) == 2 * 4000
    assert weights.loaded_bytes(replace(PROFILE, precision="fp32"), models / PROFILE.model) == 4 * 8600


@pytest.mark.parametrize("data", [b"", b"no header at all, but text", struct.pack("<Q", 2) + b"[]"])
def test_a_file_that_holds_no_tensors_is_named(models: Path, data: bytes) -> None:
    path = models / PROFILE.model / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(data)
    with pytest.raises(BadConfig, match="vae/diffusion_pytorch_model"):
        loaded(models)


def test_weights_that_somebody_put_there_have_no_revision_and_a_broken_note_is_named(models: Path) -> None:
    found = weights.find(PROFILE, models)
    assert found is not None
    assert found.revision == ""
    weights.write_note(found.folder, PROFILE.model, PROFILE.revision, {})
    assert weights.find(PROFILE, models) == replace(
        found, revision=PROFILE.revision, size_bytes=found.size_bytes + (found.folder / weights.NOTE).stat().st_size
    )
    (found.folder / weights.NOTE).write_text("no JSON")
    with pytest.raises(BadConfig, match="is no note of ours"):
        weights.find(PROFILE, models)


def test_weights_of_another_revision_than_the_pinned_one_are_refused(models: Path) -> None:
    settings = Settings.model_validate({"models_dir": models, "device": "cpu"})
    weights.write_note(models / PROFILE.model, PROFILE.model, "e" * 40, {})
    state = registry.availability(PROFILE, settings)
    assert not state.runs
    assert state.why == f"weights of revision {'e' * 12}, and {'a' * 12} is pinned: `presscheck engines fetch sd3-test`"
    free = registry.availability(replace(PROFILE, revision=""), settings)
    assert "revision" not in free.why


def test_weights_that_do_not_fit_are_refused_before_they_are_loaded(models: Path) -> None:
    pytest.importorskip("diffusers")
    settings = Settings.model_validate({"models_dir": models, "device": "cpu"})
    assert registry.availability(PROFILE, settings).way is Way.CPU
    put(models / PROFILE.model, "transformer/diffusion_pytorch_model.safetensors", [10**15])
    state = registry.availability(PROFILE, settings)
    assert not state.runs
    assert "need 1862645.1 GiB" in state.why
    assert "`offload`" in state.why
    with pytest.raises(BadConfig, match="cannot run here"):
        registry.build(PROFILE, settings, lambda _: ())


def files(*names: str) -> dict[str, HubFile]:
    return {name: HubFile(name=name, size_bytes=1, sha256=None, git_sha1=None) for name in names}


def chosen(profile: EngineProfile, there: dict[str, HubFile], *parts: str) -> list[str]:
    return [f.name for f in choose(profile, there, {"_class_name": "P", **{p: ["diffusers", "M"] for p in parts}})]


def test_each_weight_is_wanted_once_and_strangers_not_at_all() -> None:
    there = files(
        "model_index.json",
        "single.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.bin",
        "vae/deeper/diffusion_pytorch_model.safetensors",
        "vae_1_0/diffusion_pytorch_model.safetensors",
        "tokenizer/merges.txt",
    )
    assert chosen(PROFILE, there, "vae", "tokenizer") == [
        "model_index.json",
        "tokenizer/merges.txt",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]


@pytest.mark.parametrize("only", ["vae/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.bin"])
def test_a_part_that_diffusers_would_not_load_is_refused(only: str) -> None:
    with pytest.raises(BadConfig, match="no vae that diffusers would load"):
        chosen(PROFILE, files("model_index.json", only), "vae")


def test_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadConfig, match="no unet that diffusers would load: nothing"):
        chosen(PROFILE, files("model_index.json"), "unet")
