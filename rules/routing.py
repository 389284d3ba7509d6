"""Routing: ordered rules from what sanity found to an engine and a preset; the last rule takes the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rules.conditions import All, Always, Condition, Facts, HasTag, Not, Test, parse_condition, ready
from rules.engines import EngineProfile, TextSkill
from rules.lexicon import file_tag
from rules.reach import shadow, witness
from rules.tree import Node, nearest
from schemas.events import FileRole, Job, Lane, Phrase, Preset, Risk

REFUSE: Final = "refuse"
PRIMARY: Final = "primary_generator"
SPECIALIST: Final = "text_specialist"
MAX_RULES: Final = 100
TEXT_TAG: Final = "text"
"""Set by sanity wherever the text contract holds a phrase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One routing rule. `engine` is None where it refuses."""

    name: str
    when: Condition
    engine: str | None
    preset: Preset
    add_negative: str
    test: Test = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Make the condition ready for testing."""
        object.__setattr__(self, "test", ready(self.when))


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The rules in order. `choose` always finds one: the last holds for everything."""

    rules: tuple[Rule, ...]

    def choose(self, facts: Facts) -> Rule:
        """The first rule that holds."""
        return next(r for r in self.rules if r.test(facts))


def facts_of(job: Job, *, tags: frozenset[str], risk: Risk, lane: Lane, phrases: tuple[Phrase, ...]) -> Facts:
    """What routing and review rules look at."""
    return Facts(
        tags=tags,
        texts={"lane": lane.value, "risk": risk.value, "brand": job.brand, "campaign": job.campaign},
        numbers={
            "width": job.width,
            "height": job.height,
            "pixels": job.width * job.height,
            "aspect": job.width / job.height,
            "phrases": len(phrases),
            "longest_phrase": max((len(p.text) for p in phrases), default=0),
            "prompt_length": len(job.prompt),
            "files": len(job.files),
        },
    )


def parse_routing(
    root: Node,
    *,
    engines: Mapping[str, EngineProfile],
    primary: str,
    specialist: str | None,
    tags: frozenset[str],
    brands: frozenset[str],
) -> Routing:
    """routing.yml. Raises BadConfig: unknown names, a rule that can never fire, text sent where none can be set."""
    items = root.fields(["rules"])["rules"].items()
    if not 1 <= len(items) <= MAX_RULES:
        raise root.bad(f"has {len(items)} rules, want 1 to {MAX_RULES}")
    aliases = {PRIMARY: primary} | ({SPECIALIST: specialist} if specialist else {})
    lines: dict[str, Node] = {}
    rules: list[Rule] = []
    for item in items:
        rule = _rule(item, {**{e: e for e in engines}, **aliases}, tags, brands)
        if rule.name in lines:
            raise item.bad(f"the rule {rule.name!r} stands twice, first in line {lines[rule.name].line}", "rename one")
        lines[rule.name] = item
        rules.append(rule)
    _check_reach(rules, lines)
    _check_text(rules, lines, engines)
    _check_files(rules, lines, engines)
    return Routing(rules=tuple(rules))


def _rule(node: Node, engines: Mapping[str, str], tags: frozenset[str], brands: frozenset[str]) -> Rule:
    f = node.fields(["name", "when", "use"], ["preset", "add_negative"])
    use = f["use"].text()
    if use != REFUSE and use not in engines:
        raise f["use"].bad(f"there is no engine {use!r}", nearest(use, [*engines, REFUSE]))
    return Rule(
        name=f["name"].text(),
        when=parse_condition(f["when"], tags, brands),
        engine=None if use == REFUSE else engines[use],
        preset=Preset(f["preset"].choice(list(Preset), "preset")) if "preset" in f else Preset.STANDARD,
        add_negative=f["add_negative"].text() if "add_negative" in f else "",
    )


def _check_reach(rules: list[Rule], lines: Mapping[str, Node]) -> None:
    conditions = {r.name: r.when for r in rules}
    for rule in rules:
        if witness(rule.when, []) is None:
            raise lines[rule.name].bad(
                f"the rule {rule.name!r} can never fire: what it asks for in line {lines[rule.name].line} "
                "excludes itself",
                "change its conditions",
            )
        if hiders := shadow(conditions, rule.name):
            where = ", ".join(f"{n!r} (line {lines[n].line})" for n in hiders)
            raise lines[rule.name].bad(
                f"the rule {rule.name!r} can never fire: all it asks for is taken by {where}",
                "move it up or narrow the other",
            )
    last = rules[-1]
    if witness(Not(last.when), [r.when for r in rules[:-1]]) is not None or not isinstance(last.when, Always):
        raise lines[last.name].bad(f"the last rule, {last.name!r}, must take the rest", "give it when: {always: true}")


def _check_text(rules: list[Rule], lines: Mapping[str, Node], engines: Mapping[str, EngineProfile]) -> None:
    for i, rule in enumerate(rules):
        if rule.engine is None or engines[rule.engine].text is not TextSkill.NONE:
            continue
        if witness(All((rule.when, HasTag(TEXT_TAG))), [r.when for r in rules[:i]]) is not None:
            raise lines[rule.name].bad(
                f"the rule {rule.name!r} may send wanted text to {rule.engine}, which cannot set any",
                "add {not: {tag: text}}, or put a rule for text before it",
            )


def _check_files(rules: list[Rule], lines: Mapping[str, Node], engines: Mapping[str, EngineProfile]) -> None:
    """A rule that takes work for its file sends it where the file is used."""
    for rule in rules:
        if rule.engine is None:
            continue
        for role in FileRole:
            named = HasTag(file_tag(role))
            if engines[rule.engine].uses(role) or witness(All((rule.when, Not(named))), []) is not None:
                continue
            able = [e.id for e in engines.values() if e.uses(role)]
            raise lines[rule.name].bad(
                f"the rule {rule.name!r} sends work with a {role.value} to {rule.engine}, which cannot use it",
                f"use {' or '.join(sorted(able))}" if able else "refuse such work: no engine can",
            )
