"""How many cores an inspect process uses: the readers' models use them in turn, the checks beside each other.

The rule: processes x threads = cores. One process uses all of them; of several on a machine each is given its share by
`inspect_threads`. While a model runs, it has all threads and nothing else works; then as many assets are measured at
once as there are threads, each by one thread, so that OpenCV and BLAS start none of their own.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

import cv2
from threadpoolctl import threadpool_limits

THREADS_MAX: Final = 64
QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""Of a container: microseconds of processor time, and in which time it has them."""


def cores(quota: Path = QUOTA) -> int:
    """Cores that this process may use: those it is bound to, or fewer where its container has less time than that."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        granted, period = quota.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return min(bound, THREADS_MAX)
    share = bound if granted == "max" else math.ceil(int(granted) / int(period))
    return max(1, min(bound, share, THREADS_MAX))


def share_cores(threads: int | None) -> int:
    """The threads of an inspect process, all its cores where none are given; OpenCV and BLAS start none from now on."""
    cv2.setNumThreads(1)
    threadpool_limits(1, user_api="blas")
    return threads or cores()
