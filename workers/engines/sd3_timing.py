"""What a timing of the sd3 engine needs of torch: an engine with random weights, the peak of memory, and versions."""

from __future__ import annotations

import gc
from pathlib import Path

import diffusers
import torch

from rules.engines import EngineProfile
from workers.engines import sd3_random
from workers.engines.sd3 import Sd3
from workers.engines.sd3_load import DTYPES


def engine(profile: EngineProfile, size: str, folder: Path, device: str) -> Sd3:
    """An engine on random weights, made on the device; `size` is one of sd3_random.SIZES."""
    pipe = sd3_random.pipeline(size, folder, device=device, dtype=DTYPES[profile.precision])
    return Sd3(profile, pipe, f"random {size}", device)


def release() -> None:
    """Give back what a former engine held on the device."""
    gc.collect()
    torch.cuda.empty_cache()


def forget_peak() -> None:
    """Count the peak of memory from now on."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_bytes() -> int | None:
    """Most memory that torch held on the GPU since the last forget_peak, bytes; None without a GPU."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def versions() -> str:
    """Of the libraries that the figures hang on."""
    return f"torch {torch.__version__}, diffusers {diffusers.__version__}, CUDA {torch.version.cuda or 'none'}"
