"""One suite for every aesthetic scorer: what the port promises; and what happens where weights are missing or wrong."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import structlog
from PIL import Image, ImageFilter

from tests.corpus import Kind, draw, rendering_for, request_for
from workers.checks.aesthetic import AestheticCheck, AestheticScorer, Statistics
from workers.checks.aesthetic_scorers import open_scorer
from workers.checks.port import Broken, Decoded, Pixels, Subject

MLP = (32, 16, 1)
"""Outputs of the layers of a head with the shape of LAION's, on an embedding of 24."""


def tiny(folder: Path, widths: tuple[int, ...] = MLP) -> Path:
    """A CLIP model with random weights and its head, as a folder of weights holds them."""
    import safetensors.torch
    import torch
    import transformers

    library: Any = transformers
    save = cast("Any", safetensors.torch).save_file
    cast("Any", torch).manual_seed(5)
    sides = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = library.CLIPConfig(
        text_config={**sides, "vocab_size": 64, "max_position_embeddings": 16},
        vision_config={**sides, "image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    library.CLIPModel(config).save_pretrained(folder)
    library.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(
        folder
    )
    head: dict[str, torch.Tensor] = {}
    width = 24
    for i, out in enumerate(widths):
        head[f"layers.{2 * i}.weight"] = torch.randn(out, width) / width**0.5
        head[f"layers.{2 * i}.bias"] = torch.full((out,), 5.0 if i == len(widths) - 1 else 0.0)
        width = out
    save(head, folder / "head.safetensors")
    return folder


def statistics(_: Path) -> AestheticScorer:
    return Statistics()


def clip(folder: Path) -> AestheticScorer:
    from workers.checks.aesthetic_clip import ClipScorer

    return ClipScorer(tiny(folder))


@pytest.fixture(scope="module", params=[statistics, pytest.param(clip, marks=pytest.mark.models)])
def scorer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AestheticScorer:
    make: Callable[[Path], AestheticScorer] = request.param
    return make(tmp_path_factory.mktemp("weights"))


def poster(seed: int, size: tuple[int, int] = (320, 256)) -> Pixels:
    return draw(seed, Kind.RIGHT, size=size).pixels


def test_a_score_is_a_share_and_the_same_every_time(scorer: AestheticScorer) -> None:
    for pixels in (poster(1), poster(2, (96, 400)), np.zeros((8, 8, 3), dtype=np.uint8)):
        value = scorer.score(pixels)
        assert 0 <= value <= 1
        assert value == scorer.score(pixels)


def test_different_pictures_rank_differently(scorer: AestheticScorer) -> None:
    blurred = np.asarray(Image.fromarray(poster(3)).filter(ImageFilter.GaussianBlur(9)))
    assert len({scorer.score(p) for p in (poster(3), poster(4), blurred)}) == 3


def test_pixels_are_left_as_they_were(scorer: AestheticScorer) -> None:
    pixels = poster(5)
    before = pixels.copy()
    scorer.score(pixels)
    assert (pixels == before).all()


def test_threads_do_not_disturb_one_another(scorer: AestheticScorer) -> None:
    pictures = [poster(s) for s in range(4)]
    alone = [scorer.score(p) for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(scorer.score, pictures)) == alone


def test_the_check_says_who_scored(scorer: AestheticScorer) -> None:
    subject = Subject(
        data=b"",
        image=Decoded(pixels=poster(6), media_type="image/png"),
        request=request_for(()),
        rendering=rendering_for(b""),
    )
    numbers = {m.name: m.value for m in AestheticCheck(scorer).measure(subject).measurements}
    assert numbers["score"] == numbers[f"score_{scorer.name}"] == scorer.score(poster(6))
    assert {"colourfulness", "contrast", "sharpness", "clipped_share"} < set(numbers)
    assert AestheticCheck(scorer).measure(replace(subject, image=Broken(reason="cut"))).measurements == ()


def test_without_weights_the_statistics_score() -> None:
    assert open_scorer(None).name == "statistics"


@pytest.mark.models
def test_weights_that_are_there_score(tmp_path: Path) -> None:
    assert open_scorer(tiny(tmp_path)).name == "clip"
    assert open_scorer(tiny(tmp_path, (1,))).name == "clip"


@pytest.mark.models
@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("config.json", "config.json is missing"),
        ("head.safetensors", "head.safetensors is missing"),
        ("preprocessor_config.json", "do not load"),
        ("head.safetensors=none", "do not load"),
        ("model.safetensors=none", "do not load"),
        ("", "ends in 4 numbers"),
    ],
)
def test_weights_that_do_not_fit_fall_back_and_say_so(tmp_path: Path, part: str, says: str) -> None:
    name, _, content = part.partition("=")
    tiny(tmp_path, MLP if name else (8, 4))
    if content:
        (tmp_path / name).write_text(content)
    elif name:
        (tmp_path / name).unlink()
    with structlog.testing.capture_logs() as logs:
        assert open_scorer(tmp_path).name == "statistics"
    (line,) = logs
    assert line["event"] == "aesthetic weights not used"
    assert says in line["reason"]
