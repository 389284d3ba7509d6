"""What a stack needs before its stages start: topics, tables, a ruleset in force."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from audit.migrate import migrate
from broker.admin import ensure_topics
from broker.settings import Settings
from ops.rulesets.publish import bring_into_force, read_config

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Id of the ruleset of `config/`, and its engines, sorted."""

    ruleset_id: str
    engines: tuple[str, ...]


def prepare(settings: Settings, say: Say) -> Prepared:
    """Create what is missing; running it again changes nothing.

    Raises BadConfig where `config/` is wrong, Transient or Fatal where broker or database refuse.
    """
    ruleset = read_config(settings.config_dir)
    engines = tuple(sorted(ruleset.engines))
    report = ensure_topics(settings, engines)
    for d in report.differences:
        say(f"topic {d.topic}: {d.what} is {d.is_now}, the catalogue says {d.wanted}; left as it is")
    migrate(settings.database_url.get_secret_value())
    if bring_into_force(settings, ruleset, who="presscheck up", at_ms=time.time_ns() // 1_000_000):
        say(f"ruleset {ruleset.id[:12]} is in force")
    return Prepared(ruleset_id=ruleset.id, engines=engines)


def main(settings: Settings) -> None:
    """`presscheck run prepare`: prepare, and end."""
    prepare(settings, structlog.get_logger(__name__).info)
