"""Opens the aesthetic scorer that the settings name, or the one without a model where that cannot be had."""

from __future__ import annotations

from pathlib import Path

import structlog

from schemas.errors import BadConfig
from workers.checks.aesthetic import AestheticScorer, Statistics


def open_scorer(weights: Path | None) -> AestheticScorer:
    """The CLIP predictor in a folder. Without one, or where it cannot be loaded, the statistics, and a line why.

    A ranking is no ground to stop inspection for; the scorer's name stands with every score.
    """
    if weights is None:
        return Statistics()
    log = structlog.get_logger(__name__)
    try:
        from workers.checks.aesthetic_clip import ClipScorer
    except ImportError as e:
        log.warning("aesthetic weights not used", reason=f"the models extra is not installed ({e.name})")
        return Statistics()
    try:
        return ClipScorer(weights)
    except BadConfig as e:
        log.warning("aesthetic weights not used", folder=str(weights), reason=str(e))
        return Statistics()
