"""The aesthetic score by a CLIP image embedding and a small head, as LAION's open predictors have it.

A folder holds a CLIP model as transformers saves it (config.json, model.safetensors, preprocessor_config.json; ViT-L/14
for LAION's heads) and the head as head.safetensors: linear layers, applied one after the other with nothing between
them, as in christophschuhmann/improved-aesthetic-predictor, or one alone, as in LAION-AI/aesthetic-predictor. A head
gives a mark from 1 to 10, which is brought to 0..1.

ViT-L/14 in bfloat16 takes about 0.6 GB and some seconds a picture on one core, so it is only loaded where it is asked
for. It was trained on what people on the web marked as pretty, and says nothing about a brief.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, cast

import safetensors.torch
import torch
import transformers
from PIL import Image
from torch import Tensor, nn

from schemas.errors import BadConfig
from workers.checks.port import Pixels

LIBRARY: Final = cast("Any", transformers)
LOAD: Final = cast("Any", safetensors.torch).load_file

HEAD: Final = "head.safetensors"
CONFIG: Final = "config.json"
LAYER: Final = re.compile(r"(?:.*?(\d+)\.)?weight")
LOW: Final = 1.0
HIGH: Final = 10.0
"""Marks that LAION's heads were trained to give."""


class ClipScorer:
    """An open predictor from a folder. One picture at a time; safe for several threads, as torch's modules are."""

    name = "clip"

    def __init__(self, folder: Path) -> None:
        """Raises BadConfig where the folder lacks a part or a part does not fit."""
        for part in (CONFIG, HEAD):
            if not (folder / part).is_file():
                raise BadConfig(f"{part} is missing", file=str(folder), mend="see docs/settings.md: aesthetic_weights")
        try:
            loaded: Any = LIBRARY.CLIPModel.from_pretrained(
                folder, local_files_only=True, dtype=torch.bfloat16, use_safetensors=True
            )
            self._prepare: Any = LIBRARY.CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
            self._head = _head(LOAD(folder / HEAD))
        except (OSError, ValueError, KeyError, RuntimeError, safetensors.SafetensorError) as e:
            raise BadConfig(f"the weights do not load: {e}"[:500], file=str(folder)) from e
        # The half that reads prompts is not needed, and is freed.
        self._eye: Any = loaded.vision_model.eval()
        self._projection: Any = loaded.visual_projection.eval()
        first: Any = self._head[0]
        wide = int(loaded.config.projection_dim)
        if first.in_features != wide:
            raise BadConfig(f"the head takes {first.in_features} numbers, the model gives {wide}", file=str(folder))

    def score(self, pixels: Pixels) -> float:
        """The head's mark, brought to 0..1."""
        with torch.inference_mode():
            prepared: Tensor = self._prepare(images=Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
            seen: Tensor = self._eye(pixel_values=prepared.to(torch.bfloat16)).pooler_output
            embedded: Tensor = self._projection(seen).float()
            mark = float(self._head(nn.functional.normalize(embedded, dim=-1)).item())
        return min(1.0, max(0.0, (mark - LOW) / (HIGH - LOW)))


def _head(tensors: dict[str, Tensor]) -> nn.Sequential:
    """Linear layers in the order of their numbers. Raises ValueError where they do not make one mark."""
    found = [match for name in tensors if (match := LAYER.fullmatch(name))]
    names = [match[0] for match in sorted(found, key=lambda m: int(m[1] or 0))]
    layers: list[nn.Module] = []
    width = 0
    for name in names:
        weight, bias = tensors[name].float(), tensors.get(name.removesuffix("weight") + "bias")
        if weight.ndim != 2 or (layers and weight.shape[1] != width):
            raise ValueError(f"{HEAD}: {name} of shape {tuple(weight.shape)} does not follow {width} numbers")
        width = int(weight.shape[0])
        layer = nn.Linear(int(weight.shape[1]), width, bias=bias is not None)
        layer.weight = nn.Parameter(weight, requires_grad=False)
        if bias is not None:
            layer.bias = nn.Parameter(bias.float(), requires_grad=False)
        layers.append(layer)
    if width != 1:
        raise ValueError(f"{HEAD} ends in {width} numbers, want 1")
    return nn.Sequential(*layers)
