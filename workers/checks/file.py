"""Checks on the file itself: the bytes, the size, and the renderer's own statistics."""

from __future__ import annotations

from schemas.events import Measurement
from workers.checks.port import NOTHING, Decoded, Findings, Subject


class BytesCheck:
    """Whether the file decodes whole and is what was declared."""

    name = "bytes"

    def measure(self, subject: Subject) -> Findings:
        """Numbers: decodes (0 or 1), size_bytes, and where it decodes format_matches (0 or 1)."""
        found = [
            Measurement(check=self.name, name="decodes", value=float(isinstance(subject.image, Decoded))),
            Measurement(check=self.name, name="size_bytes", value=float(len(subject.data))),
        ]
        declared = subject.rendering.asset
        if isinstance(subject.image, Decoded) and declared is not None:
            same = declared.media_type == subject.image.media_type
            found.append(Measurement(check=self.name, name="format_matches", value=float(same)))
        return Findings(measurements=tuple(found))


class SizeCheck:
    """Size of the decoded image, upright."""

    name = "size"

    def measure(self, subject: Subject) -> Findings:
        """width_px and height_px."""
        if not isinstance(subject.image, Decoded):
            return NOTHING
        height, width = subject.image.pixels.shape[:2]
        return Findings(
            measurements=(
                Measurement(check=self.name, name="width_px", value=float(width)),
                Measurement(check=self.name, name="height_px", value=float(height)),
            )
        )


class LatentsCheck:
    """Statistics of the final latents, which the renderer took before the VAE hid them."""

    name = "latents"

    def measure(self, subject: Subject) -> Findings:
        """Numbers: finite (0 or 1), std and absmax; nothing for engines that have no latents."""
        latents = subject.rendering.latents
        if latents is None:
            return NOTHING
        return Findings(
            measurements=(
                Measurement(check=self.name, name="finite", value=float(latents.finite)),
                Measurement(check=self.name, name="std", value=latents.std),
                Measurement(check=self.name, name="absmax", value=latents.absmax),
            )
        )
