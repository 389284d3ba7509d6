"""Runs a program so that it cannot outlive the process that started it: `leash.py SIGNAL PARENT USER PROGRAM ARG…`.

Run by path in an interpreter without site-packages, so it imports nothing of ours. SIGNAL is sent to the program
when PARENT (the process that starts this one) dies, however it dies; Linux only, elsewhere the recorded process id
is what the next start goes by. USER is a name to become first, or `-`: Postgres refuses to run as root. The program
then keeps the one capability that lets it reach its files, so no folder on the way has to be opened to others.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def become(user: str, libc: ctypes.CDLL | None) -> None:
    """Drop root for good; keep CAP_DAC_OVERRIDE where the kernel lets us, else rely on the folders' modes."""
    import pwd

    entry = pwd.getpwnam(user)
    if libc is not None:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if libc is not None:
        only = 1 << CAP_DAC_OVERRIDE
        sets = (_Sets * 2)(_Sets(only, only, only), _Sets(0, 0, 0))
        libc.capset(ctypes.byref(_Header(CAPABILITY_VERSION_3, 0)), sets)
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)
    os.environ.update(HOME="/", USER=user, LOGNAME=user)


def main(argv: list[str]) -> None:
    """Put the leash on, then turn into the program."""
    death, parent, user, *program = argv
    libc: ctypes.CDLL | None = ctypes.CDLL(None) if platform.system() == "Linux" else None
    if user != "-":
        become(user, libc)
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.Signals[death]), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(f"leash: parent {parent} is gone")  # it died before the leash was on
    os.execv(program[0], program)  # noqa: S606 - no shell is what we want


if __name__ == "__main__":
    main(sys.argv[1:])
