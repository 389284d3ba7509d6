"""Checks that see an asset beside its campaign: colour drift, and pictures made twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rules.drift import WINDOW, chart
from schemas.events import AssetLook, Measurement, Neighbour
from workers.checks.campaign import Campaigns
from workers.checks.palette import colour_of, palette_distance
from workers.checks.phash import distance, phash
from workers.checks.port import NOTHING, Decoded, Findings, Subject
from workers.colour import Floats, delta_e00


class DriftCheck:
    """How far the asset's colours lie from where its campaign's do."""

    name = "drift"

    def __init__(self, campaigns: Campaigns) -> None:
        self._campaigns = campaigns

    def measure(self, subject: Subject) -> Findings:
        """Numbers of the control chart (see `rules.drift`), and spread; nothing before the second asset of a campaign.

        The series is the distance to the brand's palette; without one, ΔE00 of the mean colour to the mean of those
        before. count is of assets before this one; mean, sigma, value and ewma are in ln(1 + ΔE00); spread is the mean
        ΔE00 from one asset's mean colour to the next one's, this one included.
        """
        if not isinstance(subject.image, Decoded):
            return NOTHING
        job = subject.request.job
        former = [k for k in self._campaigns.former(job.campaign, job.job_id) if k.colour]
        if subject.palette:
            former = [k for k in former if k.palette_distance is not None]
        if not former:
            return NOTHING
        former = former[-WINDOW:]
        colours = np.array([k.colour for k in former])
        own = colour_of(subject.image.pixels)
        if subject.palette:
            series = [k.palette_distance for k in former if k.palette_distance is not None]
            value = palette_distance(subject.image.pixels, subject.palette)
        else:
            middle = colours.mean(axis=0)
            series = [float(d) for d in delta_e00(colours, middle)]
            value = float(delta_e00(own, middle))
        seen = chart(series, value)
        numbers = {
            "count": float(seen.count),
            "mean": seen.mean,
            "sigma": seen.sigma,
            "value": seen.value,
            "ewma": seen.ewma,
            "spread": spread(np.vstack([colours, own])),
        }
        return Findings(
            measurements=tuple(Measurement(check=self.name, name=name, value=value) for name, value in numbers.items())
        )


class DuplicateCheck:
    """The perceptual hash, and the asset of the campaign that is most like this one."""

    name = "duplicate"

    def __init__(self, campaigns: Campaigns) -> None:
        self._campaigns = campaigns

    def measure(self, subject: Subject) -> Findings:
        """phash, and neighbour where the campaign has another asset. A job's own earlier renders are none."""
        if not isinstance(subject.image, Decoded):
            return NOTHING
        job = subject.request.job
        own = phash(subject.image.pixels)
        return Findings(phash=own, neighbour=nearest(own, self._campaigns.former(job.campaign, job.job_id)))


def nearest(own: str, former: Sequence[AssetLook]) -> Neighbour | None:
    """The look that differs in the fewest bits, the latest of several; None where none has a hash."""
    best: Neighbour | None = None
    for look in former:
        if look.phash is None:
            continue
        bits = distance(own, look.phash)
        if best is None or bits <= best.distance:
            best = Neighbour(job_id=look.job_id, asset_sha256=look.asset_sha256, distance=bits)
    return best


def spread(colours: Floats) -> float:
    """Mean ΔE00 between neighbours of a series of CIELAB colours, shape (n, 3), n at least 2."""
    return float(delta_e00(colours[1:], colours[:-1]).mean())
