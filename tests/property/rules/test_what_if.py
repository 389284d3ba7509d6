"""A what-if counts what each ruleset would decide alone, however much of the work it spares itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from rules.changes import Changes
from rules.conditions import NUMBER_FIELDS, TEXT_FIELDS, HasTag
from rules.lexicon_change import lexicon_change
from rules.prompts import read_prompt
from rules.reach import atoms
from rules.ruleset import Ruleset, load_ruleset
from rules.sanity import examine
from rules.what_if import WhatIf
from schemas.events import FileRef, FileRole, Job, Lane
from tests.unit.rules import samples

FORMER: Final = samples.ruleset()
SANITY: Final = "sanity.yml"


def other(old: str, new: str, file: str = SANITY) -> Ruleset:
    return load_ruleset(samples.changed(file, old, new))


CHANGED: Final = (
    FORMER,
    other("prompt_max_chars: 4000", "prompt_max_chars: 40"),
    other("phrase_max_chars: 200", "phrase_max_chars: 6"),
    other("phrases_max: 20", "phrases_max: 1"),
    other("[logo, logos,", "[logo, logos, harbour, café,"),
    other("      - clock face\n", ""),
    other("words: [hand, hands,", "words: [hand, tents*, hands,"),
    other("words: [hand, hands,", "words: [hands, hand*,"),
    other("violence:\n", "violent:\n"),
    other("in_quotes: false", "in_quotes: true"),
    other("trademarks: [adidas,", "trademarks: [adidas, Tentor,"),
    other("other_text_tags: [incidental-text]", "other_text_tags: [incidental-text, layout]"),
    other("use: text_specialist", "use: typeset", "routing.yml"),
    other("price_per_image_usd: 0.0", "price_per_image_usd: 0.1", "engines.yml"),
    other("refused_words: [", "refused_words: [Tentor, ", "brands/halden-outdoor.yml"),
)
PIECES: Final = st.sampled_from([
    "a tent", "Tentor", "harbour", "café", "clock face", "hand", "ha\u200bnd", "n\u043ede", "nude", "logo", "blood",
    "newspaper", "menu", '"NUDE"', "“HARBOUR LOGO”", '"A B"', "no", "without", "12", "adidas",
])  # fmt: skip


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    prompt = " ".join(draw(st.lists(PIECES, min_size=1, max_size=7)))
    texts = tuple(draw(st.lists(st.sampled_from(["MENU", "tentor 5", "Hand in hand"]), max_size=2)))
    brand = draw(st.sampled_from(["", "halden-outdoor", "nobody"]))
    return samples.job(prompt, required_text=texts, brand=brand, lane=draw(st.sampled_from(Lane)))


BY_FIELDS: Final = tuple(
    other(
        "when: {tag: branded}\n    use: primary_generator",
        f"when: {{any: [{{tag: branded}}, {{field: {field}, {test}}}]}}\n    use: sd3.5-flash",
        "routing.yml",
    )
    for field, test in (
        ("lane", "equals: critical"), ("risk", "equals: medium"), ("brand", "equals: halden-outdoor"),
        ("campaign", "equals: spring"), ("width", "gt: 700"), ("height", "gt: 700"), ("pixels", "gt: 600000"),
        ("aspect", "gt: 1.2"), ("phrases", "gt: 1"), ("longest_phrase", "gt: 5"), ("prompt_length", "gt: 12"),
        ("files", "gt: 0"),
    )
)  # fmt: skip
LOGO: Final = FileRef(name="logo.png", role=FileRole.LOGO, sha256="a" * 64, media_type="image/png", size_bytes=9)


def neighbours(job: Job) -> tuple[Job, ...]:
    """Jobs that differ from one in a single thing that some rule may look at."""
    return (
        job,
        replace(job, prompt=f"{job.prompt}, soft light"),
        replace(job, prompt=f"{job.prompt}, a newspaper"),
        replace(job, prompt=f"{job.prompt}, a hand"),
        replace(job, lane=Lane.CRITICAL if job.lane is Lane.EXPLORATORY else Lane.EXPLORATORY),
        replace(job, brand="" if job.brand else "halden-outdoor"),
        replace(job, brand="northwind-coffee"),
        replace(job, brand="nobody-else"),
        replace(job, campaign="spring"),
        replace(job, width=512),
        replace(job, height=512),
        *(replace(job, engine="sd3.5-large", required_text=t) for t in ((), ("MENU",), ("MENU OF THE DAY, " * 4,))),
        replace(job, files=(LOGO,)),
        replace(job, files=(replace(LOGO, role=FileRole.STYLE_REFERENCE),)),
        replace(job, required_text=(*job.required_text, "SALE")),
        replace(job, required_text=tuple(f"{t} NOW" for t in job.required_text)),
    )


def counts(changes: Changes) -> tuple[object, ...]:
    """All that is counted; money to the millionth, for sums in another order end in another last digit."""
    money = {k: (round(g.former_usd, 6), round(g.new_usd, 6)) for k, g in changes.groups.items()}
    jobs = {k: (g.former, g.new, g.changed) for k, g in changes.groups.items()}
    return jobs, money, changes.moves, changes.modes, changes.gained, changes.lost, changes.sample


def test_a_rule_for_every_field_is_tried() -> None:
    asked = {a for r in BY_FIELDS for rule in r.routing.rules for a in atoms(rule.when)}
    assert {a.field for a in asked if not isinstance(a, HasTag)} == {*TEXT_FIELDS, *NUMBER_FIELDS}


def is_the_sum(many: Sequence[Job], former: Ruleset, new: Ruleset) -> bool:
    """Whether jobs that one what-if routes go where each goes alone."""
    together, apart = WhatIf(former, new), Changes()
    for job in many:
        alone = WhatIf(former, new)
        for what_if in (together, alone):
            what_if.take(samples.submitted(job))
        apart.add(alone.changes)
    return counts(together.changes) == counts(apart)


@given(jobs().flatmap(lambda job: st.permutations(neighbours(job))), *[st.sampled_from((*BY_FIELDS, CHANGED[1]))] * 2)
def test_jobs_that_are_routed_together_go_where_each_goes_alone(many: list[Job], former: Ruleset, new: Ruleset) -> None:
    assert is_the_sum(many, former, new)


def test_no_field_that_a_rule_reads_is_forgotten() -> None:
    for new in BY_FIELDS:
        for texts in ((), ("MENU",)):
            assert is_the_sum(neighbours(samples.job("a tent", required_text=texts)), FORMER, new)


@given(jobs(), st.sampled_from(CHANGED), st.sampled_from(CHANGED))
@example(samples.job("a harbour"), FORMER, CHANGED[4])
@example(samples.job("a clock face"), FORMER, CHANGED[5])
def test_each_side_is_counted_as_if_it_were_alone(job: Job, former: Ruleset, new: Ruleset) -> None:
    both, alone = WhatIf(former, new), [WhatIf(r, r) for r in (former, new)]
    for what_if in (both, *alone):
        what_if.take(samples.submitted(job))
    whole, (before, after) = both.changes, (w.changes for w in alone)
    ((moved, _),) = whole.moves.items()
    assert moved == (next(iter(before.moves))[0], next(iter(after.moves))[1])
    assert {k for k, g in whole.groups.items() if g.former} == {k for k, g in before.groups.items() if g.former}
    assert {k for k, g in whole.groups.items() if g.new} == {k for k, g in after.groups.items() if g.new}
    assert (whole.whole.former_usd, whole.whole.new_usd) == (before.whole.former_usd, after.whole.new_usd)


@given(jobs(), st.sampled_from(CHANGED[:-1]), st.sampled_from(CHANGED[:-1]))
def test_what_a_change_does_not_touch_is_the_same_to_both(job: Job, former: Ruleset, new: Ruleset) -> None:
    if not lexicon_change(former.lexicon, new.lexicon).touches(read_prompt(job)):
        assert examine(job, former) == examine(job, new)


def test_most_prompts_are_looked_at_once() -> None:
    for ruleset in CHANGED[:8]:
        change = lexicon_change(FORMER.lexicon, ruleset.lexicon)
        assert not change.touches(read_prompt(samples.job("a red bicycle at dusk, take 4")))
