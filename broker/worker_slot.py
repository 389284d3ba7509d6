"""A transactional id that a restarted worker takes over, so that it aborts what its killed self left open.

With a fresh id, read_committed readers wait out the dead worker's transaction (15 s); with its own, a second or two.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from schemas.errors import Fatal

SLOTS: Final = 256
"""Most workers of one stage on one state folder."""


@contextmanager
def transactional_id(state_dir: Path, stage: str) -> Generator[str]:
    """The lowest id of a stage that no living process of this state folder holds.

    The lock goes with the process, however it ends; a frozen process keeps it, so nobody fences it by mistake. Host
    and folder are part of the id: two stacks on one Kafka stay apart. Raises Fatal where all slots are taken.
    """
    folder = state_dir.absolute() / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    here = hashlib.sha256(f"{socket.gethostname()}/{folder}".encode()).hexdigest()[:12]
    for n in range(SLOTS):
        handle = os.open(folder / f"{stage}-{n}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        try:
            yield f"{stage}-{here}-{n}"
        finally:
            os.close(handle)
        return
    raise Fatal(f"all {SLOTS} {stage} slots of {folder} are taken; use another state folder")
