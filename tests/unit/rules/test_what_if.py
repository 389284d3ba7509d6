"""What another ruleset would change of recorded prompts and measurements, counted so that the parts add up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.changes import NAMES_MAX, OTHER, SAMPLE, Changes, Group, Side
from rules.decide import on_prompt
from rules.lexicon_change import lexicon_change
from rules.prompts import read_prompt
from rules.rejudge import Rejudge
from rules.ruleset import Ruleset, load_ruleset
from rules.sanity import examine, examine_read
from rules.what_if import KINDS_MAX, REFUSED, WhatIf, covers
from schemas import ids
from schemas.events import ImageInspected, RenderRequested
from tests.unit.rules import samples

STRICTER = load_ruleset(samples.changed("verdict.yml", "luma_std_min: 1.5", "luma_std_min: 20"))
SHORTER = load_ruleset(samples.changed("sanity.yml", "prompt_max_chars: 4000", "prompt_max_chars: 40"))
LAST = "when: {always: true}\n    use: primary_generator"
PROMPTS = ("a lighthouse at dawn", "a poster “FRESH COFFEE”", "a very long prompt " * 5, " ")


def tried(new: Ruleset, former: Ruleset | None = None) -> Changes:
    what_if = WhatIf(former or samples.ruleset(), new)
    for n, prompt in enumerate(PROMPTS):
        what_if.take(samples.submitted(samples.job(prompt, key=str(n))))
    return what_if.changes


def test_the_same_routes_change_nothing() -> None:
    for new in (samples.ruleset(), STRICTER):
        changes = tried(new)
        assert (changes.jobs, changes.whole.changed, changes.sample) == (len(PROMPTS), 0, [])
        assert sum(changes.moves.values()) == len(PROMPTS)
        assert all(former == later for former, later in changes.moves)


def test_a_prompt_read_once_is_to_each_ruleset_what_it_is_alone() -> None:
    other = load_ruleset(samples.changed("sanity.yml", "layout:\n    risk: low", "layout:\n    risk: high"))
    asked = (*PROMPTS, "menu board, no people “MENU”", "a barista\u200b and a n\u043ede “layout”, never hands")
    for n, prompt in enumerate(asked):
        job = samples.job(prompt, key=str(n), required_text=("MENU", "heil hitler"))
        read = read_prompt(job)
        for rules in (samples.ruleset(), other, samples.ruleset()):
            assert examine_read(read, rules) == examine(job, rules)


@pytest.mark.parametrize(
    ("old", "new", "prompts"),
    [
        ("prompt_max_chars: 4000", "prompt_max_chars: 40", {"a very long prompt " * 5}),
        ("phrase_max_chars: 200", "phrase_max_chars: 6", {"a poster “FRESH COFFEE”"}),
        ("phrases_max: 20", "phrases_max: 1", {"“A” over “B”"}),
        ("[logo, logos,", "[logo, logos, lighthouse,", {"a lighthouse at dawn"}),
        ("words: [hand, hands,", "words: [hands, hand,", {"a hand, open"}),
        ("words: [hand, hands,", "words: [hand,", set[str]()),
        ("    words: [hand, hands,", "    in_quotes: true\n    words: [hand, hands,", {"a hand, open"}),
        ("  gore:\n", "  cruelty:\n", {"a scene of gore"}),
        ("trademarks: [adidas,", "trademarks: [adidas, Tentor,", None),
    ],
)
def test_only_prompts_that_a_change_touches_are_examined_twice(old: str, new: str, prompts: set[str] | None) -> None:
    change = lexicon_change(samples.ruleset().lexicon, load_ruleset(samples.changed("sanity.yml", old, new)).lexicon)
    asked = {*PROMPTS, "“A” over “B”", "a hand, open", "a scene of gore"}
    touched = {p for p in asked if change.touches(read_prompt(samples.job(p)))}
    assert touched == (asked if prompts is None else prompts)


def test_only_jobs_of_a_rule_that_differs_are_routed_twice() -> None:
    changes = tried(load_ruleset(samples.changed("routing.yml", LAST, f"{LAST}\n    preset: safe")))
    assert all(former == new for former, new in changes.moves)
    assert 0 < changes.whole.changed < changes.jobs
    assert all("(standard, otherwise)" in c.former and "(safe, otherwise)" in c.new for c in changes.sample)


def test_each_side_is_what_the_stage_would_decide() -> None:
    changes = tried(SHORTER)
    for which, rules in ((0, samples.ruleset()), (1, SHORTER)):
        decided = [on_prompt(samples.submitted(samples.job(p, key=str(n))), rules, 1) for n, p in enumerate(PROMPTS)]
        engines = [d.request.engine if isinstance(d, RenderRequested) else REFUSED for d in decided]
        counted = [move[which] for move, jobs in changes.moves.items() for _ in range(jobs)]
        assert sorted(counted) == sorted(engines)
        cost = sum(rules.engines[e].expected_cost_usd for e in engines if e != REFUSED)
        assert abs((changes.whole.former_usd, changes.whole.new_usd)[which] - cost) < 1e-9


def test_a_refusal_moves_a_job_and_takes_its_cover() -> None:
    changes = tried(SHORTER)
    (shown,) = changes.sample
    assert shown.job_id == samples.job(key="2").job_id
    assert shown.new.startswith("refused (The prompt has")
    assert changes.whole.changed == 1
    assert changes.groups["engine", REFUSED].new == changes.groups["engine", REFUSED].former + 1
    assert sum(g.former for (kind, _), g in changes.groups.items() if kind == "engine") == len(PROMPTS)
    assert not changes.gained


def test_an_engine_that_was_asked_for_is_covered_by_no_rule() -> None:
    what_if = WhatIf(samples.ruleset(), SHORTER)
    engine = next(iter(samples.ruleset().engines))
    what_if.take(samples.submitted(samples.job(engine=engine)))
    assert not what_if.changes.modes


def test_cover_that_comes_and_goes() -> None:
    former = samples.ruleset()
    modes = dict(former.failure_modes)
    name, mode = next(iter(modes.items()))
    assert covers(former, former) == ()

    def without(caught: tuple[str, ...] | None) -> Ruleset:
        rest = {n: m for n, m in modes.items() if n != name}
        kept = {} if caught is None else {name: replace(mode, caught_by=caught)}
        return replace(former, failure_modes={**rest, **kept})

    (changed,) = covers(former, without(("another",)))
    assert changed.mode == name
    assert changed.gained == ("caught by another",)
    assert changed.lost == tuple(sorted(f"caught by {c}" for c in mode.caught_by))
    (gone,) = covers(former, without(None))
    assert gone.gained is None
    assert gone.lost is not None
    (come,) = covers(without(None), former)
    assert come.lost is None
    assert come.gained == gone.lost


def inspected(key: str, luma_std: float) -> ImageInspected:
    return ImageInspected(
        event_id=ids.event_id(key, "test"),
        at_ms=1,
        request=samples.routed(samples.job(key=key)),
        rendering=samples.rendering(),
        inspection=samples.inspection(blank__luma_std=luma_std),
    )


def test_verdicts_move_by_defect() -> None:
    rejudge = Rejudge(samples.ruleset(), STRICTER)
    for n, luma_std in enumerate((60.0, 10.0, 0.0)):
        rejudge.take(inspected(str(n), luma_std))
    changes = rejudge.changes
    assert changes.jobs == 3
    assert changes.whole.changed == 1
    moved = [(a, b, n) for (a, b), n in changes.moves.items() if a != b]
    assert len(moved) == 1
    assert moved[0][0] == "accept"
    assert sum(changes.gained.values()) == 1
    assert changes.modes[next(iter(changes.gained)), "accept", moved[0][1]] == 1
    same = Rejudge(STRICTER, STRICTER)
    same.take(inspected("a", 0.0))
    assert same.changes.whole.former_usd == same.changes.whole.new_usd > 0


def test_more_kinds_of_jobs_than_are_kept_apart_are_all_counted() -> None:
    what_if = WhatIf(samples.ruleset(), SHORTER)
    count = KINDS_MAX + 5
    for n in range(count):
        what_if.take(samples.submitted(samples.job(PROMPTS[0], key=str(n), brand=f"nobody-{n}")))
    assert what_if.changes.moves == {(REFUSED, REFUSED): count}
    assert what_if.changes.groups["engine", REFUSED].former == what_if.changes.jobs == count


def side(place: str, tag: str) -> Side:
    return Side(place=place, names={"tag": (tag,)}, cost_usd=1.0, modes=frozenset({place}))


def test_parts_add_up_in_any_order_and_stay_bounded() -> None:
    parts = [Changes() for _ in range(3)]
    for n in range(3 * NAMES_MAX):
        parts[n % 3].take(ids.job_id(str(n)), "p", side("a", f"t{n}"), side("b", f"t{n + 1}"))
    one, other = Changes(unusable=1), Changes()
    for part in parts:
        one.add(part)
    for part in reversed(parts):
        other.add(part)
    assert (one.jobs, one.unusable, one.moves["a", "b"]) == (3 * NAMES_MAX, 1, 3 * NAMES_MAX)
    assert one.sample == other.sample
    assert len(one.sample) == SAMPLE
    assert len(one.groups) == NAMES_MAX + 1
    assert sum(g.former for g in one.groups.values()) == 3 * NAMES_MAX
    assert one.groups["tag", OTHER].former > 0
    assert one.whole == Group(
        former=one.jobs, new=one.jobs, changed=one.jobs, former_usd=float(one.jobs), new_usd=float(one.jobs)
    )
