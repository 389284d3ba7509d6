"""The text models talk to nobody: not when they are opened, not when they read."""

from __future__ import annotations

import subprocess
import sys

READS: str = """
import sys

asked = []
sys.addaudithook(lambda event, given: event.startswith("socket.") and asked.append((event, given)))

import numpy as np
from workers.checks.text_models import TextModels

models = TextModels(threads=1)
assert models.heat([np.zeros((64, 64, 3), np.uint8)])[0].shape == (64, 64)
print("telemetry" if sys.modules.get("openvino_telemetry") else "none", len(asked))
"""


def test_opening_the_models_opens_no_socket():
    done = subprocess.run([sys.executable, "-c", READS], capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout.split(), done.stderr) == (["none", "0"], "")
