"""EasyOCR's own process: what it and its reader hold, and what happens when either dies."""

from __future__ import annotations

import gc
import os
import select
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from schemas.errors import Poison
from workers.checks.easyocr_process import Found
from workers.checks.port import Pixels, Scene
from workers.checks.reader_easyocr import TRIES, EasyOcrReader, open_easyocr

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watches processes as Linux does"),
]
MOST_KIB = 1536 * 1024
"""What a process of the inspection may hold."""
DIES_S = 30.0

HOLDS = """
import os, signal, sys
from pathlib import Path

from ops.bench.corpus import sample
from ops.bench.corpus_kinds import Split
from workers.checks.cores import share_cores
from workers.checks.port import Scene
from workers.checks.readers import open_readers

def most(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))

readers = open_readers(["rapidocr", "rapidocr@640", "rapidocr@curve", "easyocr"], threads=share_cores(1))
words = 0
for index, side in enumerate((1024, 1024, 2048)):
    scene = Scene(pixels=sample(Split.TUNE, index, (side, side)).pixels)
    for reader in readers:
        (read,) = reader.read([scene])
    words += len(read.words)
assert "torch" not in sys.modules
print(words, most("self"), most(readers[-1].pid), readers[-1].pid, flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


def picture() -> Pixels:
    art = Image.new("RGB", (400, 200), (250, 244, 230))
    ImageDraw.Draw(art).text((48, 48), "SALE", font=ImageFont.load_default(72), fill=(25, 30, 70))
    return np.asarray(art)


def said(reader: EasyOcrReader) -> list[str]:
    (read,) = reader.read([Scene(pixels=picture())])
    return [w.text for w in read.words]


def ends(watch: int) -> bool:
    ready, _, _ = select.select([watch], [], [], DIES_S)
    os.close(watch)
    return bool(ready)


def test_neither_process_holds_more_than_it_may_and_one_dies_with_the_other():
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin
        assert holder.stdout
        words, ours, theirs, pid = map(int, holder.stdout.readline().split())
        watch = os.pidfd_open(pid)
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert ends(watch)
    assert words > 0
    assert 0 < ours < MOST_KIB
    assert 0 < theirs < MOST_KIB


def test_a_process_that_died_is_replaced_and_one_that_nobody_holds_ends():
    reader = open_easyocr(threads=1)
    first = reader.pid
    os.kill(first, signal.SIGKILL)
    assert said(reader) == ["SALE"]
    assert reader.pid != first
    watch = os.pidfd_open(reader.pid)
    del reader
    gc.collect()
    assert ends(watch)


def test_a_picture_over_which_it_always_dies_cannot_be_read():
    class Deadly:
        """A process that dies whatever it is asked."""

        pid, ended = 0, False
        asked = 0

        def ask(self, pixels: Pixels) -> list[Found] | None:
            self.asked += 1

    deadly = Deadly()
    with pytest.raises(Poison, match=f"{TRIES} times"):
        said(EasyOcrReader(lambda: deadly))
    assert deadly.asked == TRIES
