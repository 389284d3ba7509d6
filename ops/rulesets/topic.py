"""Topic `rulesets` as it stands: what was published, what decides, and what decided before it.

The key `active` holds the newest activation alone, for compaction keeps one record a key. So each activation is written
once more under a key of its own: the way back needs nothing but the broker, however long ago the last change was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from broker.broadcast import ACTIVE_KEY
from broker.settings import Settings
from ops.rollout.topic import Write, ended_by_hand, in_one_transaction
from ops.whole_topic import whole_topic
from rules.ruleset import Ruleset, from_document
from rules.tree import nearest
from schemas import catalogue
from schemas.errors import BadConfig, Poison
from schemas.events import Event, RulesetActivated, RulesetPublished
from schemas.registry import codec_for

ACTIVATED_KEY: Final = "activated/"
"""Followed by the event id of the activation."""
ACTIVATIONS_KEPT: Final = 200
"""Former activations that the topic keeps; the ledger of the audit keeps all."""
PREFIX_MIN: Final = 6

Record = tuple[str, Event | None]
"""Key and event; None deletes the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Rulesets by id, the newest publication last; the activation in force; activations kept, oldest first."""

    rulesets: Mapping[str, RulesetPublished]
    active: RulesetActivated | None
    activations: tuple[RulesetActivated, ...]

    @property
    def active_id(self) -> str | None:
        """Id of the ruleset that decides now; None where none was ever active."""
        return None if self.active is None else self.active.ruleset_id

    def find(self, prefix: str) -> RulesetPublished:
        """The one ruleset whose id begins so, or that decides now for the word `active`.

        Raises BadConfig where there is none, or more than one, or the prefix is too short to mean one for long.
        """
        wanted = prefix.strip().casefold()
        if wanted == ACTIVE_KEY:
            if self.active is None or self.active.ruleset_id not in self.rulesets:
                raise BadConfig("no ruleset is active", mend="publish one and activate it, or run `presscheck up`")
            return self.rulesets[self.active.ruleset_id]
        found = [e for ruleset_id, e in self.rulesets.items() if ruleset_id.startswith(wanted)]
        if len(wanted) < PREFIX_MIN:
            raise BadConfig(f"{prefix!r} is too short to name a ruleset", mend=f"give {PREFIX_MIN} digits or more")
        if len(found) > 1:
            longer = ", ".join(e.ruleset_id[: len(wanted) + 6] for e in found[:5])
            raise BadConfig(f"{len(found)} rulesets begin with {prefix!r}", mend=f"say which: {longer}")
        if not found:
            short = [ruleset_id[: max(12, len(wanted))] for ruleset_id in [*self.rulesets][-20:]]
            raise BadConfig(f"no ruleset {prefix!r} was published", mend=nearest(wanted, [*short, ACTIVE_KEY]))
        return found[0]

    def former(self) -> str | None:
        """Id of the ruleset to go back to; None where nothing was active before.

        Going back is undone history, not one more step of it: after A, B, C and a way back to B, the next leads to A.
        """
        way: list[str] = []
        for activation in self.activations:
            if len(way) > 1 and way[-2] == activation.ruleset_id:
                way.pop()
            elif not way or way[-1] != activation.ruleset_id:
                way.append(activation.ruleset_id)
        return way[-2] if len(way) > 1 else None


def read_topic(settings: Settings) -> Published:
    """The topic as it stands. A record that cannot be used is logged and passed over.

    Raises BadConfig where the topic does not exist, Transient where the broker does not answer.
    """
    codec = codec_for(settings.schema_registry_url)
    newest: dict[str, Event] = {}
    for message in whole_topic(settings, catalogue.RULESETS):
        key = (message.key() or b"").decode(errors="replace")
        former = newest.pop(key, None)
        if (value := message.value()) is None:
            continue
        try:
            newest[key] = codec.decode(value)
        except Poison as e:
            log = structlog.get_logger(__name__)
            log.warning("passed over", topic=catalogue.RULESETS, offset=message.offset(), why=str(e))
            if former is not None:
                newest[key] = former
    active = newest.get(ACTIVE_KEY)
    activations = [e for k, e in newest.items() if k.startswith(ACTIVATED_KEY) and isinstance(e, RulesetActivated)]
    if isinstance(active, RulesetActivated) and active.event_id not in {e.event_id for e in activations}:
        activations.append(active)  # written before activations had keys of their own
    return Published(
        rulesets={k: e for k, e in newest.items() if isinstance(e, RulesetPublished)},
        active=active if isinstance(active, RulesetActivated) else None,
        activations=tuple(activations),
    )


def parsed(published: RulesetPublished) -> Ruleset:
    """The ruleset of a record. Raises BadConfig where this version of Presscheck cannot use it."""
    short = published.ruleset_id[:12]
    try:
        ruleset = from_document(published.document)
    except Poison as e:
        raise BadConfig(f"ruleset {short} cannot be used: {e}", mend="publish it again from its files") from e
    if ruleset.id != published.ruleset_id:
        raise BadConfig(f"ruleset {short} holds the document of {ruleset.id[:12]}", mend="publish it again")
    return ruleset


def activation_records(now: Published, activated: RulesetActivated) -> list[Record]:
    """What makes a ruleset the one that decides: its history first, the key that stages follow last."""
    kept = [*now.activations, activated]
    records: list[Record] = [(ACTIVATED_KEY + e.event_id, None) for e in kept[:-ACTIVATIONS_KEPT]]
    if now.active is not None:  # once more: an older version wrote it under no key of its own
        records.append((ACTIVATED_KEY + now.active.event_id, now.active))
    return [*records, (ACTIVATED_KEY + activated.event_id, activated), (ACTIVE_KEY, activated)]


def change_topic(settings: Settings, decide: Callable[[Published], Sequence[Record]]) -> Published:
    """Read the topic, and write what `decide` makes of it, in one transaction; returns what was read.

    Where another ruleset comes to decide, a roll-out under way is aborted by the same transaction: it would compare
    with rules that are in force no more. Raises as read_topic and in_one_transaction.
    """
    seen: list[Published] = []

    def writes() -> list[Write]:
        seen.append(now := read_topic(settings))
        records = decide(now)
        activated = dict(records).get(ACTIVE_KEY)
        ended = ended_by_hand(settings, activated) if isinstance(activated, RulesetActivated) else []
        return [*((catalogue.RULESETS, key, event) for key, event in records), *ended]

    in_one_transaction(settings, writes)
    return seen[0]
