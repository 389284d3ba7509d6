"""What of a ruleset no worker could carry out: engines that none serves, and text readers that are not installed."""

from __future__ import annotations

from collections.abc import Mapping

from broker.lag import assigned
from broker.settings import Settings
from rules.ruleset import Ruleset
from schemas.catalogue import render_topic
from schemas.events import Lane
from workers.checks.readers import lacking
from workers.render_handler import STAGE


def unserved(settings: Settings, ruleset: Ruleset) -> tuple[str, ...]:
    """Engines, sorted, whose attempts would wait for a worker that is not there now. Raises Transient."""
    read = {topic for topic, _ in assigned(settings, STAGE)}
    return tuple(e for e in sorted(ruleset.engines) if not any(render_topic(e, lane) in read for lane in Lane))


def unread(settings: Settings, ruleset: Ruleset) -> Mapping[str, str]:
    """Readers of a ruleset that this machine cannot open, each with why: a worker elsewhere may differ."""
    return lacking(ruleset.readers, vision=bool(settings.vision_url)) if "text" in ruleset.checks else {}
