"""Logos: each supplied file looked for in the picture and compared with what is there, and marks beside them.

Measured on posters with logos of four kinds (wordmark, flat mark, badge, detailed emblem): see tests.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from schemas.events import FileRef, FileRole, LogoMatch, Measurement
from workers.checks.logo_compare import compare, distortion, rotation_degrees, scale_of
from workers.checks.logo_file import open_logo
from workers.checks.logo_search import Scene, locate
from workers.checks.marks import marks
from workers.checks.port import NOTHING, Decoded, Findings, Subject

FOUND: Final = 0.62
"""Score from which a logo is taken to be there, whole or not."""


class LogoCheck:
    """Where the supplied logos are, and how they look."""

    name = "logo"

    def measure(self, subject: Subject) -> Findings:
        """A match for each logo file. Raises Poison where a file could not be fetched or is no picture."""
        if not isinstance(subject.image, Decoded):
            return NOTHING
        scene = Scene(subject.image.pixels)
        files = [f for f in subject.request.job.files if f.role is FileRole.LOGO]
        logos = tuple(match_of(f, subject, scene) for f in files)
        known = [*(w.box for read in subject.reads for w in read.words), *(m.box for m in logos if m.box)]
        found = marks(subject.image.pixels, known, self.name)
        return Findings(
            measurements=(Measurement(check=self.name, name="marks", value=len(found)),), regions=found, logos=logos
        )


def match_of(ref: FileRef, subject: Subject, scene: Scene) -> LogoMatch:
    """One file, looked for."""
    logo = open_logo(ref, subject.files)
    hit = locate(logo, scene)
    if hit is None or hit.score < FOUND:
        return LogoMatch(file_sha256=ref.sha256, found=False, score=0.0 if hit is None else hit.score, box=())
    width, height = logo.size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
    box = corners @ hit.affine[:, :2].T + hit.affine[:, 2]
    compared = compare(logo, scene, hit.affine)
    return LogoMatch(
        file_sha256=ref.sha256,
        found=True,
        score=hit.score,
        box=tuple(float(v) for v in box.ravel()),
        scale=scale_of(hit.affine) * logo.scale,
        rotation_degrees=rotation_degrees(hit.affine),
        distortion=distortion(hit.affine),
        delta_e00=compared.delta_e00,
        difference=compared.difference,
        clear_space=compared.clear_space,
    )
