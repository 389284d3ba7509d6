"""A what-if counts what each ruleset would decide alone, however much of the work it spares itself."""

from __future__ import annotations

from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from rules.lexicon_change import lexicon_change
from rules.prompts import read_prompt
from rules.ruleset import Ruleset, load_ruleset
from rules.sanity import examine
from rules.what_if import WhatIf
from schemas.events import Job, Lane
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
