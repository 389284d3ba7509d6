"""Which engines of a ruleset no render worker reads the topics of."""

from __future__ import annotations

from broker.lag import assigned
from broker.settings import Settings
from rules.ruleset import Ruleset
from schemas.catalogue import render_topic
from schemas.events import Lane
from workers.render_handler import STAGE


def unserved(settings: Settings, ruleset: Ruleset) -> tuple[str, ...]:
    """Engines, sorted, whose attempts would wait for a worker that is not there now. Raises Transient."""
    read = {topic for topic, _ in assigned(settings, STAGE)}
    return tuple(e for e in sorted(ruleset.engines) if not any(render_topic(e, lane) in read for lane in Lane))
