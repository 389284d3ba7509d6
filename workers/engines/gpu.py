"""The GPU that torch would use. Looking takes seconds, for torch is imported: look only where something hangs on it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU: its name, and all of its memory, bytes."""

    name: str
    memory_bytes: int


@cache
def find() -> Gpu | None:
    """The first GPU, or None: no torch, a torch without CUDA, or no GPU."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    _, total = torch.cuda.mem_get_info(0)
    return Gpu(name=torch.cuda.get_device_name(0), memory_bytes=total)
