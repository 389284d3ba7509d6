"""Enlarging in tiles: no seams, a bound on memory, and weights that are what they say."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from schemas.errors import BadConfig
from tests.unit.finish import orders
from workers.finish.upscale import Lanczos, grown, open_upscaler, tiles

ABOVE_OUTPUT_BYTES = 16 * 2**20

MEASURE = """
import json, resource, sys
from PIL import Image
from workers.finish.upscale import Lanczos
scale = 1 if sys.platform == "darwin" else 1024
source = Image.effect_noise((2048, 2048), 60).convert("RGB")
Lanczos().enlarge(source.crop((0, 0, 64, 64)), 4)  # code and tables, once
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
made = Lanczos().enlarge(source, 4)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
print(json.dumps({"grew": after - before, "size": made.size}))
"""


@pytest.mark.parametrize("times", [2, 4])
@pytest.mark.parametrize("size", [(256, 256), (130, 77), (64, 300)])
def test_tiles_give_the_very_pixels_of_the_whole(times: int, size: tuple[int, int]) -> None:
    image = Image.effect_noise(size, 90).convert("RGB")
    wide = image.resize((size[0] * times, size[1]), Image.Resampling.LANCZOS)
    whole = wide.resize((size[0] * times, size[1] * times), Image.Resampling.LANCZOS)
    assert np.array_equal(np.asarray(Lanczos(tile=48).enlarge(image, times)), np.asarray(whole))


def test_tiles_cover_a_picture_once() -> None:
    seen = np.zeros((50, 70), dtype=int)
    for left, top, right, bottom in tiles((70, 50), 32):
        seen[top:bottom, left:right] += 1
    assert seen.min() == seen.max() == 1
    assert grown((32, 0, 64, 32), 5, (70, 50)) == (27, 0, 69, 37)


def test_four_times_2048_holds_little_more_than_what_it_makes() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, timeout=120)
    said = json.loads(done.stdout)
    assert said["size"] == [8192, 8192]
    output = 8192 * 8192 * 4
    assert said["grew"] <= output + ABOVE_OUTPUT_BYTES


def test_no_weights_is_lanczos_and_says_so() -> None:
    assert open_upscaler(None).name == "Lanczos, as no upscaler weights are configured"
    assert open_upscaler(None).model == ""


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="there is no file"):
        open_upscaler(tmp_path / "none.safetensors")


@pytest.mark.models
class TestWeights:
    """With torch and spandrel: a real architecture, small, with weights drawn by chance."""

    @pytest.fixture(autouse=True)
    def torch_is_there(self) -> None:
        pytest.importorskip("spandrel")

    @staticmethod
    def weights(folder: Path, scale: int) -> Path:
        import torch
        from safetensors import torch as saved

        # The package that holds an architecture is called __arch, and a class body would mangle that name.
        compact = importlib.import_module("spandrel.architectures.Compact.__arch.SRVGG")
        chance = torch.Generator().manual_seed(5)
        net = compact.SRVGGNetCompact(num_feat=8, num_conv=2, upscale=scale)
        for value in net.parameters():
            torch.nn.init.normal_(value, std=0.05, generator=chance)
        path = folder / f"{scale}x-tiny.safetensors"
        cast("Any", saved).save_file({k: v.contiguous() for k, v in net.state_dict().items()}, path)
        return path

    @pytest.mark.parametrize(("scale", "times"), [(2, 2), (4, 4), (2, 4), (4, 2)])
    def test_a_model_enlarges_by_what_is_asked(self, tmp_path: Path, scale: int, times: int) -> None:
        upscaler = open_upscaler(self.weights(tmp_path, scale))
        made = upscaler.enlarge(orders.art((100, 70)), times)
        assert made.size == (100 * times, 70 * times)
        assert upscaler.model == f"{scale}x-tiny.safetensors"
        assert "Compact" in upscaler.name
        plain = Lanczos().enlarge(orders.art((100, 70)), times)
        assert 0 < np.abs(np.asarray(made).astype(int) - np.asarray(plain).astype(int)).mean() < 40

    def test_seams_cannot_be_seen(self, tmp_path: Path) -> None:
        from workers.finish import upscale_spandrel

        upscaler = upscale_spandrel.SpandrelUpscaler(self.weights(tmp_path, 2))
        image = orders.art((300, 280))
        tiled = np.asarray(upscaler.enlarge(image, 2)).astype(int)
        whole = upscaler._run(np.asarray(image)).astype(int)
        assert tiled.shape == whole.shape
        # One level: the fade between two tiles that agree is rounded.
        assert np.abs(tiled - whole).max() <= 1

    def test_what_is_no_model_is_refused(self, tmp_path: Path) -> None:
        import torch
        from safetensors import torch as saved

        path = tmp_path / "nothing.safetensors"
        cast("Any", saved).save_file({"a": torch.zeros(3)}, path)
        with pytest.raises(BadConfig, match=r"nothing\.safetensors does not load"):
            open_upscaler(path)

    def test_a_model_that_does_not_enlarge_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BadConfig, match="enlarges 1 times"):
            open_upscaler(self.weights(tmp_path, 1))
