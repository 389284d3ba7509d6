"""Every check that measures the asset, by its name in the failure-mode catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workers.checks.aesthetic import AestheticCheck
from workers.checks.composition import CompositionCheck
from workers.checks.file import BytesCheck, LatentsCheck, SizeCheck
from workers.checks.logo import LogoCheck
from workers.checks.palette import PaletteCheck
from workers.checks.pixels import BlankCheck, NoiseCheck
from workers.checks.port import Check

CHECKS: Final[Mapping[str, Check]] = {
    check.name: check
    for check in (
        BytesCheck(),
        SizeCheck(),
        LatentsCheck(),
        BlankCheck(),
        NoiseCheck(),
        PaletteCheck(),
        CompositionCheck(),
        LogoCheck(),
        AestheticCheck(),
    )
}
"""Those that need nothing but the picture."""
