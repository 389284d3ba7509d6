"""The light reader: RapidOCR with the models of its own wheel, on ONNX Runtime, with no download.

Its angle classifier is off: it turns "60%" into "%09" and "NO" into "ON".
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from PIL import Image

from schemas.events import TextRead, Word
from workers.checks.order import in_reading_order
from workers.checks.port import Pixels

if TYPE_CHECKING:
    from rapidocr import RapidOCR

DETECT_SIDE: Final = 736
"""Long side at which text is looked for, pixels; letters are then read from the picture itself."""
READ_SIDE: Final = 2000
"""Larger pictures are scaled down to this long side first: it bounds memory and time."""
MIN_SIDE: Final = 32
"""Smaller pictures hold no text that could be read; the detector's grid is 32 pixels."""
MIN_CONFIDENCE: Final = 0.3
"""Words below are dropped as texture; what stands above is judged by the ruleset."""
MAX_WORDS: Final = 2000
"""What a TextRead holds; a picture with more is noise, and the surest are kept."""
DETECTOR: Final = "PP-OCRv6_det_small.onnx"
RECOGNISER: Final = "PP-OCRv6_rec_small.onnx"


class RapidOcrReader:
    """One look at one scale. Looks of different scales may share one engine; a lock lets one in at a time."""

    def __init__(self, name: str, engine: Engine, *, side: int, box_threshold: float) -> None:
        self._name, self._engine = name, engine
        self._side, self._box_threshold = side, box_threshold

    @property
    def name(self) -> str:
        """Reader and look."""
        return self._name

    def read(self, pixels: Pixels) -> TextRead:
        """Lines in reading order with boxes in pixels of the given image."""
        started = time.perf_counter()
        words = self._engine.read(pixels, side=self._side, box_threshold=self._box_threshold)
        elapsed_ms = (time.perf_counter() - started) * 1000
        return TextRead(reader=self._name, elapsed_ms=elapsed_ms, words=words)


class Engine:
    """The loaded models. Not safe without its lock: the detector's box threshold is set for each call."""

    def __init__(self, threads: int) -> None:
        self._lock = threading.Lock()
        self._ocr = _load(threads)

    def read(self, pixels: Pixels, *, side: int, box_threshold: float) -> tuple[Word, ...]:
        """Words of the picture scaled down to `side` at most, in pixels of the picture as given."""
        small = scaled_down(pixels, side)
        if min(small.shape[:2]) < MIN_SIDE:
            return ()
        with self._lock:
            # RapidOCR takes BGR, as OpenCV reads it.
            found = cast("Any", self._ocr(np.ascontiguousarray(small[:, :, ::-1]), box_thresh=box_threshold))
        if found.boxes is None or found.txts is None:
            return ()
        height, width = pixels.shape[:2]
        scale = np.array([width / small.shape[1], height / small.shape[0]])
        words = [
            Word(
                text=str(text)[:2000],
                confidence=min(1.0, max(0.0, float(score))),
                box=tuple(float(v) for v in np.clip(np.asarray(box) * scale, 0, [width, height]).ravel()),
            )
            for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        ]
        words.sort(key=lambda w: -w.confidence)
        return in_reading_order(words[:MAX_WORDS])


def scaled_down(pixels: Pixels, side: int) -> Pixels:
    """The picture with a long side of at most `side` pixels; as it is where it is smaller."""
    height, width = pixels.shape[:2]
    ratio = side / max(height, width)
    if ratio >= 1:
        return pixels
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, reducing_gap=3))


def _load(threads: int) -> RapidOCR:
    import rapidocr

    models = Path(str(rapidocr.__file__)).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.log_level": "critical",
            "Global.text_score": MIN_CONFIDENCE,
            "Global.max_side_len": READ_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            # A path keeps it from looking for a download; the wheel holds both models.
            "Det.model_path": str(models / DETECTOR),
            "Det.limit_type": "max",
            "Det.limit_side_len": DETECT_SIDE,
            "Rec.model_path": str(models / RECOGNISER),
        }
    )


def open_rapidocr(engine: Engine) -> RapidOcrReader:
    """The first look: letters read at up to 2000 pixels."""
    return RapidOcrReader("rapidocr", engine, side=READ_SIDE, box_threshold=0.5)


def open_rapidocr_640(engine: Engine) -> RapidOcrReader:
    """The second look: at 640 pixels with a lower box threshold it finds large and odd lettering."""
    return RapidOcrReader("rapidocr@640", engine, side=640, box_threshold=0.35)
