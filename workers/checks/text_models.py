"""The light text models: the detector and the recogniser of RapidOCR's wheel (PP-OCRv6), on OpenVINO.

On one core OpenVINO takes 0.17 s for a detector run of 736 x 736 where ONNX Runtime takes 0.63 s, with the same result.

No angle classifier: it turns "60%" into "%09" and "NO" into "ON".
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import BadConfig
from workers.checks.ctc import Table, decode
from workers.checks.port import Pixels

T = TypeVar("T")
Heat = npt.NDArray[np.float32]
"""How probably text stands at each pixel of a picture as it was given to the detector, 0 to 1."""
DETECTOR: Final = "PP-OCRv6_det_small.onnx"
RECOGNISER: Final = "PP-OCRv6_rec_small.onnx"
GRID: Final = 32
"""The detector's sides are multiples of this, pixels."""
STRIP_HEIGHT: Final = 48
"""Height of a strip of letters as the recogniser takes it, pixels."""
STRIP_STEP: Final = 64
"""Strips are padded to a multiple of this: few widths, so that the model seldom meets a new one, which costs 30 ms."""
STRIP_MIN: Final = 320
"""Narrower strips are padded to this width, as in the recogniser's training."""
STRIP_MAX: Final = 3200
"""Wider strips are squeezed: 400 columns hold more letters than one line of a poster."""
LAG: Final = 0.24
"""By how many columns the recogniser answers behind the middle of a letter: the mean over 355 letters drawn in 20 faces
(0.04 of the height of their box, deviation 0.056)."""
STREAMS_MAX: Final = 8
"""Most strips that are read at once, each on a core; each holds up to 60 MB: 18,710 numbers for every 8 pixels."""
HEATS_KEPT: Final = 16
"""Heats of the last pictures: a further look at the same one takes the heat of the first. 2.1 MB each."""
SHAPES_KEPT: Final = "64"
"""What OpenVINO keeps of former sizes, in its own unit. Without a bound 88 sizes of picture took 410 MB; with this one
80 MB, and no measurable time."""


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


class Finished:
    """What a queue calls for each finished request, for as long as it lives: it hands on to `tell`.

    The queue holds its callback where the collector of cycles cannot look, so it must not lead back to the models. Nor
    may a callback be replaced: the thread that ran the last request may still hold it, and would free it unguarded.
    """

    tell: Callable[[Any, tuple[int, float]], None] | None = None

    def __call__(self, request: Any, place: tuple[int, float]) -> None:
        """Called by a thread of OpenVINO's."""
        if self.tell is not None:
            self.tell(request, place)


class TextModels:
    """Both models, loaded. A lock lets one caller in at a time, so that threads and memory are those of one run.

    One picture, and one strip, at a time on each stream: on one core a batch of eight takes as long as eight batches of
    one, needs eight times the memory, and what is found in one picture would depend on the others in the last bits.
    """

    def __init__(self, threads: int) -> None:
        folder = _models_folder()
        self._lock = threading.Lock()
        self._heats: OrderedDict[bytes, Heat] = OrderedDict()
        # A picture is large enough for all cores, a strip is not: there every core reads strips of its own.
        self._detector = _compiled(folder / DETECTOR, threads, streams=1).create_infer_request()
        streams = min(threads, STREAMS_MAX)
        self._finished = Finished()
        self._recogniser = _queue(_compiled(folder / RECOGNISER, threads, streams=streams), streams, self._finished)
        characters = _vocabulary(folder / RECOGNISER)
        # The blank of CTC comes first; the space is not in the list and comes last.
        self.characters: tuple[str, ...] = ("", *(c for c in characters if c), " ")
        self._entries = {c: i for i, c in enumerate(self.characters) if c}

    def heat(self, pictures: Sequence[Pixels]) -> list[Heat]:
        """Of RGB pictures whose sides are multiples of GRID. The heats are shared: nobody may write to them."""
        return [self._heat(p) for p in pictures]

    def lines(self, strips: Sequence[Pixels]) -> list[Line]:
        """What RGB strips of any size say, each upright and as high as its letters."""
        return self._read(strips, self._line)

    def tables(self, strips: Sequence[Pixels]) -> list[Table]:
        """The recogniser's probabilities for each strip, over the columns that hold the strip."""
        return self._read(strips, lambda table, _: np.array(table))

    def entries(self, text: str) -> tuple[int, ...] | None:
        """A text as entries of the vocabulary; None where it has a character that the recogniser does not know."""
        found = [self._entries.get(c) for c in text]
        return None if None in found else tuple(e for e in found if e is not None)

    def _heat(self, picture: Pixels) -> Heat:
        key = hashlib.blake2b(repr(picture.shape).encode() + picture.tobytes(), digest_size=16).digest()
        with self._lock:
            found = self._heats.pop(key, None)
            if found is None:
                # A copy: the request writes its next result over this one.
                found = np.array(self._detector.infer([_normal(picture)[None]])[0][0, 0], np.float32)
                found.setflags(write=False)
            self._heats[key] = found
            if len(self._heats) > HEATS_KEPT:
                self._heats.popitem(last=False)
        return found

    def _read(self, strips: Sequence[Pixels], take: Callable[[Table, float], T]) -> list[T]:
        """What `take` makes of each strip's table, cut to its own columns, and of its width in columns.

        The table is the request's own memory and holds until `take` returns.
        """
        out: list[T | None] = [None] * len(strips)

        def done(request: Any, place: tuple[int, float]) -> None:
            i, share = place
            table = request.get_output_tensor(0).data[0]
            out[i] = take(table, len(table) * share)

        with self._lock:
            self._finished.tell = done
            # Like widths one after the other: a change of width costs some 5 ms.
            for i in sorted(range(len(strips)), key=lambda i: _strip_width(strips[i])):
                width = _strip_width(strips[i])
                padded = max(STRIP_MIN, -(-width // STRIP_STEP) * STRIP_STEP)
                given = np.zeros((1, 3, STRIP_HEIGHT, padded), np.float32)
                given[0, :, :, :width] = _normal(cv2.resize(strips[i], (width, STRIP_HEIGHT)).astype(np.uint8))
                self._recogniser.start_async([given], (i, width / padded))
            self._recogniser.wait_all()
            self._finished.tell = None
        return [o for o in out if o is not None]

    def _line(self, table: Table, width: float) -> Line:
        spelt = decode(table)
        # Some entries are more than one character; each gets the place of its entry.
        marks = [
            (c, min(1.0, max(0.0, (column - LAG) / width)), min(1.0, sure))
            for entry, column, sure in zip(spelt.entries, spelt.columns, spelt.confidences, strict=True)
            for c in self.characters[entry]
        ]
        while marks and marks[0][0].isspace():
            marks.pop(0)
        while marks and marks[-1][0].isspace():
            marks.pop()
        return Line("".join(m[0] for m in marks), tuple(m[1] for m in marks), tuple(m[2] for m in marks))


def _strip_width(strip: Pixels) -> int:
    height, width = strip.shape[:2]
    return int(min(STRIP_MAX, max(1, -(-STRIP_HEIGHT * width // height))))


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


def _compiled(path: Path, threads: int, *, streams: int) -> Any:
    """A model on the CPU, for any size of input."""
    # Threads are not pinned, since other processes of the machine would pin theirs to the same cores.
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
        "CPU_RUNTIME_CACHE_CAPACITY": SHAPES_KEPT,
    }
    return _core().compile_model(str(path), "CPU", settings)


def _queue(model: Any, streams: int, finished: Finished) -> Any:
    """Requests that run beside each other, one on each stream, and are told of as they finish."""
    import openvino

    queue = cast("Any", openvino).AsyncInferQueue(model, streams)
    queue.set_callback(finished)
    return queue


def _vocabulary(path: Path) -> list[str]:
    """The recogniser's characters, one a line, which its file carries as metadata."""
    model = _core().read_model(str(path))
    return str(model.get_rt_info()["framework"]["character"].value).split("\n")


def _core() -> Any:
    """OpenVINO, kept from telling its maker of each import over the network: without this package it cannot."""
    sys.modules.setdefault("openvino_telemetry", cast("Any", None))
    import openvino

    return cast("Any", openvino).Core()
