"""Logos: each supplied file looked for in the picture and compared with what is there."""

from __future__ import annotations

from schemas.errors import Poison
from schemas.events import FileRole
from workers.checks.port import NOTHING, Decoded, Findings, Subject


class LogoCheck:
    """Where the supplied logos are."""

    name = "logo"

    def measure(self, subject: Subject) -> Findings:
        """A match for each logo file. Raises Poison where a file could not be fetched."""
        if not isinstance(subject.image, Decoded):
            return NOTHING
        for ref in subject.request.job.files:
            if ref.role is FileRole.LOGO and ref.sha256 not in subject.files:
                raise Poison(f"the logo {ref.name!r} ({ref.sha256[:12]}…) could not be fetched")
        return NOTHING
