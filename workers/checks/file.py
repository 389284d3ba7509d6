"""Checks on the file itself: the bytes, the size, and the renderer's own statistics."""

from __future__ import annotations

from typing import Final

from schemas.events import Measurement
from workers.checks.ending import trailing_bytes
from workers.checks.port import NOTHING, Decoded, Findings, Subject
from workers.checks.profile import profile_distance

_INKS: Final = frozenset({"CMYK", "YCCK"})


class BytesCheck:
    """Whether the file decodes whole, is what was declared, and looks the same in every program."""

    name = "bytes"

    def measure(self, subject: Subject) -> Findings:
        """Numbers: decodes (0 or 1) and size_bytes; where it does not decode why, where it does how it stands there.

        Why is told by the facts of `Broken`. How is format_matches (0 or 1), bits of a channel, inks (1 for CMYK),
        transparent_share 0 to 1, pictures, trailing_bytes behind the first picture's end (0 where a second one lies
        there), and where the file carries a colour profile profile_delta_e00: how far its colours are from sRGB's, -1
        for a broken one.
        """
        image, declared = subject.image, subject.rendering.asset
        numbers = {"decodes": float(isinstance(image, Decoded)), "size_bytes": float(len(subject.data))}
        if not isinstance(image, Decoded):
            numbers |= image.facts
        else:
            if declared is not None:
                numbers["format_matches"] = float(declared.media_type == image.media_type)
            numbers |= {
                "bits": float(image.bits),
                "inks": float(image.mode in _INKS),
                "transparent_share": image.transparent_share,
                "pictures": float(image.pictures),
                "trailing_bytes": float(trailing_bytes(subject.data, image.media_type) if image.pictures == 1 else 0),
            }
            distance = None
            if image.profile is not None:
                distance = profile_distance(image.pixels, image.profile, image.mode)
            if distance is not None:
                numbers["profile_delta_e00"] = distance
        return Findings(
            measurements=tuple(Measurement(check=self.name, name=name, value=value) for name, value in numbers.items())
        )


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
