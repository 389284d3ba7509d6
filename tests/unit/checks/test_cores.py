"""Processes times threads are the cores: what one process takes, and that nothing within starts more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workers.checks.cores import cores


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000", 64), ("100000 100000", 1), ("150000 100000", 2), ("10000 100000", 1), ("", 64)]
)
def test_a_container_that_has_less_time_uses_fewer_cores(tmp_path: Path, quota: str, most: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota, encoding="ascii")
    assert cores(file) == min(most, cores(tmp_path / "there-is-none"))


PROCESS = """
import cv2
import numpy
from threadpoolctl import threadpool_info
from workers.checks.cores import share_cores
print(share_cores(2), cv2.getNumThreads(), share_cores(None))
print(*{pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})
"""


def test_a_process_has_the_threads_of_its_setting_and_opencv_and_blas_add_none() -> None:
    """In a process of its own: OpenCV's threads are one number for the whole process."""
    ran = subprocess.run([sys.executable, "-c", PROCESS], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["2", "1", str(cores()), "1"]
