"""The one error tree, named by what a loop must do with the error.

PresscheckError
├── Transient        commit nothing, back off, try again
├── Poison           dead-letter the record, then commit past it
│   └── Undecodable  the bytes are not a record that any known schema describes
└── Fatal            stop the process, commit nothing
    └── BadConfig    a setting or a file in config/ is wrong; names file, line and mend
"""

from __future__ import annotations


class PresscheckError(Exception):
    """Root of the tree; never raised itself."""


class Transient(PresscheckError):
    """Something outside is unwell for now: a broker election, a database restart, a 503."""


class Poison(PresscheckError):
    """This input can never be used, however often it is tried."""


class Undecodable(Poison):
    """Bytes that no known schema describes."""


class Fatal(PresscheckError):
    """Going on would break a promise; a supervisor must start the process afresh."""


class BadConfig(Fatal):
    """A setting or configuration file is wrong.

    `file` and `line` (1-based; None where the whole file is meant) say where, `mend` says what to do.
    """

    def __init__(self, what: str, *, file: str = "", line: int | None = None, mend: str = "") -> None:
        self.what, self.file, self.line, self.mend = what, file, line, mend
        place = f"{file}:{line}: " if file and line is not None else f"{file}: " if file else ""
        super().__init__(f"{place}{what}" + (f"; {mend}" if mend else ""))
