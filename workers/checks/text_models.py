"""The light text models: the detector and the recogniser of RapidOCR's wheel (PP-OCRv6), on OpenVINO.

On one core OpenVINO takes 0.17 s for a detector run of 736 x 736 where ONNX Runtime takes 0.63 s, with the same result.

No angle classifier: it turns "60%" into "%09" and "NO" into "ON".
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import BadConfig
from workers.checks.ctc import Table, decode
from workers.checks.port import Pixels

Heat = npt.NDArray[np.float32]
"""How probably text stands at each pixel of a picture as it was given to the detector, 0 to 1."""
DETECTOR: Final = "PP-OCRv6_det_small.onnx"
RECOGNISER: Final = "PP-OCRv6_rec_small.onnx"
GRID: Final = 32
"""The detector's sides are multiples of this, pixels."""
STRIP_HEIGHT: Final = 48
"""Height of a strip of letters as the recogniser takes it, pixels."""
STRIP_MIN: Final = 320
"""Narrower strips are padded to this width, as in the recogniser's training."""
STRIP_MAX: Final = 3200
"""Wider strips are squeezed: 400 columns hold more letters than one line of a poster."""
BATCH_WIDTH: Final = 4800
"""Most pixels side by side that go through the recogniser at once. Its output, 18,710 numbers for every 8 pixels,
is what bounds memory: 45 MB and about as much again within."""
BATCH_HEAT: Final = 1_200_000
"""Most pixels that go through the detector at once: its layers hold about 300 bytes for each."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one strip says. Blanks at both ends are dropped.

    centres: Middle of each character along the strip, 0 its left edge and 1 its right.
    confidences: Of each character, 0 to 1.
    """

    text: str
    centres: tuple[float, ...]
    confidences: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """Mean over the characters; 0 where there are none."""
        return float(np.mean(self.confidences)) if self.confidences else 0.0


class TextModels:
    """Both models, loaded. A lock lets one thread in at a time, so that threads and memory are those of one run."""

    def __init__(self, threads: int) -> None:
        folder = _models_folder()
        self._lock = threading.Lock()
        self._detector = _compiled(folder / DETECTOR, threads)
        self._recogniser = _compiled(folder / RECOGNISER, threads)
        characters = _vocabulary(folder / RECOGNISER)
        # The blank of CTC comes first; the space is not in the list and comes last.
        self.characters: tuple[str, ...] = ("", *(c for c in characters if c), " ")
        self._entries = {c: i for i, c in enumerate(self.characters) if c}

    def heat(self, pictures: Sequence[Pixels]) -> list[Heat]:
        """Of RGB pictures whose sides are multiples of GRID; those of one size go through together."""
        out: list[Heat | None] = [None] * len(pictures)
        sizes: dict[tuple[int, ...], list[int]] = {}
        for i, picture in enumerate(pictures):
            sizes.setdefault(picture.shape, []).append(i)
        for shape, places in sizes.items():
            at_once = max(1, BATCH_HEAT // (shape[0] * shape[1]))
            for start in range(0, len(places), at_once):
                chosen = places[start : start + at_once]
                found = self._run(self._detector, np.stack([_normal(pictures[i]) for i in chosen]))
                for i, heat in zip(chosen, found[:, 0], strict=True):
                    out[i] = heat
        return [h for h in out if h is not None]

    def lines(self, strips: Sequence[Pixels]) -> list[Line]:
        """What RGB strips of any size say, each upright and as high as its letters."""
        out: list[Line | None] = [None] * len(strips)
        for batch in _batches([_strip_width(s) for s in strips]):
            tables, widths = self._tables([strips[i] for i in batch])
            for i, table, width in zip(batch, tables, widths, strict=True):
                out[i] = self._line(table, width)
        return [line for line in out if line is not None]

    def tables(self, strips: Sequence[Pixels]) -> list[Table]:
        """The recogniser's probabilities for each strip, over the columns that hold the strip."""
        return [self._tables([strip])[0][0] for strip in strips]

    def entries(self, text: str) -> tuple[int, ...] | None:
        """A text as entries of the vocabulary; None where it has a character that the recogniser does not know."""
        found = [self._entries.get(c) for c in text]
        return None if None in found else tuple(e for e in found if e is not None)

    def _tables(self, strips: Sequence[Pixels]) -> tuple[list[Table], list[float]]:
        """One table for each, cut to its own columns, and the width of each strip in columns."""
        widths = [_strip_width(s) for s in strips]
        padded = max(STRIP_MIN, *widths)
        given = np.zeros((len(strips), 3, STRIP_HEIGHT, padded), np.float32)
        for i, (strip, width) in enumerate(zip(strips, widths, strict=True)):
            given[i, :, :, :width] = _normal(cv2.resize(strip, (width, STRIP_HEIGHT)).astype(np.uint8))
        found = self._run(self._recogniser, given)
        columns = found.shape[1]
        return list(found), [columns * width / padded for width in widths]

    def _line(self, table: Table, width: float) -> Line:
        spelt = decode(table)
        # Some entries are more than one character; each gets the place of its entry.
        marks = [
            (c, min(1.0, column / width), min(1.0, sure))
            for entry, column, sure in zip(spelt.entries, spelt.columns, spelt.confidences, strict=True)
            for c in self.characters[entry]
        ]
        while marks and marks[0][0].isspace():
            marks.pop(0)
        while marks and marks[-1][0].isspace():
            marks.pop()
        return Line("".join(m[0] for m in marks), tuple(m[1] for m in marks), tuple(m[2] for m in marks))

    def _run(self, request: Any, given: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with self._lock:
            # A copy: the request writes its next result over this one.
            return np.array(request.infer([given])[0], np.float32)


def _strip_width(strip: Pixels) -> int:
    height, width = strip.shape[:2]
    return int(min(STRIP_MAX, max(1, -(-STRIP_HEIGHT * width // height))))


def _batches(widths: Sequence[int]) -> list[list[int]]:
    """Strips of like width together, so that little is padded."""
    out: list[list[int]] = []
    for i in sorted(range(len(widths)), key=lambda i: widths[i]):
        if out and max(STRIP_MIN, widths[i]) * (len(out[-1]) + 1) <= BATCH_WIDTH:
            out[-1].append(i)
        else:
            out.append([i])
    return out


def _normal(picture: Pixels) -> npt.NDArray[np.float32]:
    """-1 to 1, channels first, in the order blue, green, red: so the models were trained."""
    return np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1), np.float32) / 127.5 - 1.0


def _models_folder() -> Path:
    spec = find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise BadConfig(
            "the text reader needs the package rapidocr, which holds its models", mend="pip install rapidocr"
        )
    return Path(spec.origin).parent / "models"


def _compiled(path: Path, threads: int) -> Any:
    """An inference request for a model, any size of input."""
    # One stream: a lock lets one run in at a time, and each stream would hold buffers of its own. Threads are not
    # pinned, since other processes of the machine would pin theirs to the same cores.
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    return _core().compile_model(str(path), "CPU", settings).create_infer_request()


def _vocabulary(path: Path) -> list[str]:
    """The recogniser's characters, one a line, which its file carries as metadata."""
    model = _core().read_model(str(path))
    return str(model.get_rt_info()["framework"]["character"].value).split("\n")


def _core() -> Any:
    """OpenVINO, kept from telling its maker of each import over the network: without this package it cannot."""
    sys.modules.setdefault("openvino_telemetry", cast("Any", None))
    import openvino

    return cast("Any", openvino).Core()
