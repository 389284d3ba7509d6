"""Every check that measures the asset, by its name in the failure-mode catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workers.checks.aesthetic import AestheticCheck, AestheticScorer
from workers.checks.campaign import Campaigns, NoCampaigns
from workers.checks.composition import CompositionCheck
from workers.checks.file import BytesCheck, LatentsCheck, SizeCheck
from workers.checks.glyphs import GlyphCheck
from workers.checks.likeness import DriftCheck, DuplicateCheck
from workers.checks.logo import LogoCheck
from workers.checks.palette import PaletteCheck
from workers.checks.people import PeopleCheck
from workers.checks.pixels import BlankCheck, NoiseCheck
from workers.checks.port import Check
from workers.checks.tones import TonesCheck
from workers.checks.vision import Vision

CHECKS: Final[Mapping[str, Check]] = {
    check.name: check
    for check in (
        BytesCheck(),
        SizeCheck(),
        LatentsCheck(),
        BlankCheck(),
        NoiseCheck(),
        PaletteCheck(),
        TonesCheck(),
        DriftCheck(NoCampaigns()),
        DuplicateCheck(NoCampaigns()),
        CompositionCheck(),
        LogoCheck(),
        GlyphCheck(),
        AestheticCheck(),
        PeopleCheck(),
    )
}
"""Those that need nothing but the picture."""


def open_checks(
    vision: Vision | None, scorer: AestheticScorer | None = None, campaigns: Campaigns | None = None
) -> Mapping[str, Check]:
    """Every check; those that ask a vision endpoint do so where there is one.

    `scorer` ranks by a model; beside `campaigns` an asset is seen with those that came before it.
    """
    opened = (PeopleCheck(vision), AestheticCheck(scorer))
    beside = (DriftCheck(campaigns), DuplicateCheck(campaigns)) if campaigns is not None else ()
    return {**CHECKS, **{check.name: check for check in (*opened, *beside)}}
