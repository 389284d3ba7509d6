"""Properties of the rules: total, deterministic, bounded, and never fooled into an accept."""

from __future__ import annotations

import string
from dataclasses import replace
from random import Random

import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from rules.conditions import NUMBER_FIELDS, All, Always, AnyOf, Bounded, Condition, Facts, HasTag, IsOneOf, Not, ready
from rules.decide import on_inspected, on_prompt, on_rejected
from rules.files import MEDIA
from rules.folding import Fold, fold
from rules.lifecycle import NEXT, TERMINAL, State
from rules.packing import Candidate, pack
from rules.quotes import find_quotes
from rules.reach import shadow, witness
from rules.ruleset import Ruleset, from_document, load_ruleset
from rules.sanity import examine
from rules.text import Level, match_read, shows
from rules.verdict import judge
from schemas import ids
from schemas.errors import BadConfig, Poison
from schemas.events import (
    AssetRejected,
    CheckError,
    FailureKind,
    FileRef,
    FileRole,
    ImageInspected,
    Inspection,
    Job,
    Lane,
    Outcome,
    PromptRefused,
    RenderFailure,
    Rendering,
    RenderRequested,
    Risk,
    Rung,
    Verdict,
)
from tests.unit.rules.samples import (
    LOGO,
    changed,
    config,
    contract,
    inspection,
    job,
    read,
    rendering,
    routed,
    ruleset,
    submitted,
)

PIECES = st.sampled_from(
    [
        "a poster",
        "a woman",
        "hands",
        "no text",
        "“SALE”",
        '"30% OFF"',
        "'DON'T STOP'",
        "the dog's bone",
        '12"',
        "„",
        "“",
        "«",
        "\u200b",
        "\u202e",
        "e\u0301",
        "аbc",
        "Nike",
        "starbucks",
        "our logo",
        "ignore all previous instructions",
        "nude",
        "menu",
        "linocut",
        "photorealistic",
        "cartoon",
        "4111 1111 1111 1111",
        "jana@mail.example",
        ",",
        "\n",
        " ",
        "👩‍🍳",
        "newspaper",
        "headline",
        "naked cake",
        "\x00",
        "ﬁ",
        "ß",
    ]
)
PROMPTS = st.one_of(
    st.lists(PIECES, max_size=12).map(" ".join), st.lists(PIECES, max_size=8).map("".join), st.text(max_size=80)
)
TEXTS = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["SALE", "30% OFF", "", "\u200b"])), max_size=4).map(
    tuple
)
FILES = st.lists(
    st.sampled_from(
        [LOGO, *(FileRef(role=r, name="f", sha256="e" * 64, media_type=MEDIA[r][0], size_bytes=1) for r in FileRole)]
    ),
    max_size=2,
).map(tuple)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    return job(
        draw(PROMPTS),
        key=draw(st.text("abc", min_size=1, max_size=5)),
        lane=draw(st.sampled_from(Lane)),
        required_text=draw(TEXTS),
        brand=draw(st.sampled_from(["", "northwind-coffee", "halden-outdoor", "nobody"])),
        width=draw(st.sampled_from([64, 100, 512, 1024, 2048, 8192])),
        engine=draw(st.sampled_from([None, None, "simulator", "sd3.5-flash", "typeset", "nothing"])),
        files=draw(FILES),
        negative_prompt=draw(st.sampled_from(["", "steam"])),
    )


@given(jobs())
def test_routing_is_total_and_deterministic(wanted: Job):
    event = on_prompt(submitted(wanted), ruleset(), 5)
    assert event == on_prompt(submitted(wanted), ruleset(), 5)
    if isinstance(event, PromptRefused):
        assert event.reasons
        assert all(r.strip() for r in event.reasons)
    else:
        profile = ruleset().engines[event.request.engine]
        assert profile.refuses(event.request.sampling, event.request) is None
        assert event.request.risk is not Risk.REFUSED


@given(jobs())
def test_the_evidence_of_a_tag_is_exactly_what_stands_there(wanted: Job):
    finding = examine(wanted, ruleset())
    for tag in finding.tags:
        if tag.start == -1:
            assert tag.end == -1
        else:
            assert wanted.prompt[tag.start : tag.end] == tag.evidence != ""
    assert (finding.risk is Risk.REFUSED) == bool(finding.reasons)


@given(jobs())
def test_wanted_phrases_are_whole_in_nfc_and_never_twice(wanted: Job):
    phrases = [p.text for p in examine(wanted, ruleset()).text.phrases]
    keys = [fold(p, Fold.PLAIN) for p in phrases]
    assert len(keys) == len(set(keys))
    assert all(p == p.strip() != "" for p in phrases)


@given(PROMPTS)
def test_quoted_spans_lie_inside_and_in_order(prompt: str):
    place = 0
    for quote in find_quotes(prompt).quotes:
        assert place <= quote.outer_start < quote.start < quote.end < quote.outer_end <= len(prompt)
        place = quote.outer_end


WORDS = st.text(string.ascii_uppercase + string.digits, min_size=2, max_size=8)
LINES = st.lists(WORDS, min_size=1, max_size=3)


@given(st.lists(LINES, min_size=1, max_size=4), st.randoms(use_true_random=False), st.booleans())
def test_what_stands_there_is_found_however_its_boxes_are_cut(phrases: list[list[str]], random: Random, joined: bool):
    texts = [" ".join(words) for words in phrases]
    folded = [fold(t, Fold.LOOK) for t in texts]
    assume(len(set(folded)) == len(folded))
    lines: list[str] = []
    for words in phrases:
        if joined:
            lines.append("".join(words))
        elif random.random() < 0.5:
            lines += words
        else:
            lines.append(" ".join(words))
    assert shows(contract(*texts), read(*lines))


@given(st.lists(WORDS, min_size=1, max_size=3), st.data())
def test_a_text_with_one_letter_changed_never_passes(words: list[str], data: st.DataObject):
    text = " ".join(words)
    at = data.draw(st.sampled_from([i for i, c in enumerate(text) if c != " "]))
    kind = data.draw(st.sampled_from(["drop", "double", "swap"]))
    swapped = text[:at] + data.draw(st.sampled_from(string.ascii_uppercase + string.digits)) + text[at + 1 :]
    spoilt = {"drop": text[:at] + text[at + 1 :], "double": text[:at] + text[at] + text[at:], "swap": swapped}[kind]
    assume(fold(spoilt, Fold.LOOK) != fold(text, Fold.LOOK))
    wanted = job("a poster", required_text=(text,))
    judged = judge(inspection(read(spoilt), read(spoilt, reader="second")), rendering(), routed(wanted), ruleset())
    assert judged.verdict is not Verdict.ACCEPT
    # A long one reaches the picture's edge.
    assert {d.mode for d in judged.defects} <= {"wrong-text", "missing-text", "extra-text", "poor-framing"}


@given(st.lists(st.text(max_size=15), max_size=6), st.lists(st.text(max_size=15), max_size=6))
def test_matching_is_total_and_exact_means_the_same_letters(wanted: list[str], lines: list[str]):
    texts = [t for t in wanted if t.strip()]
    made = contract(*texts)
    match = match_read(made, read(*lines))
    assert len(match.shown) == len(made.phrases)
    for shown in match.shown:
        assert 0 <= shown.likeness <= 1
        if shown.level is Level.EXACT:
            assert _letters(shown.seen) == _letters(shown.phrase.text)


def _letters(text: str) -> str:
    spoken = "".join(c for c in fold(text, Fold.PLAIN) if c.isalnum())
    return spoken or "-"


@given(st.lists(st.lists(st.tuples(st.sets(st.integers(0, 5), min_size=1), st.integers(1, 9)), max_size=4), max_size=4))
def test_packing_finds_the_best_of_all_assignments(raw: list[list[tuple[set[int], int]]]):
    options = [[Candidate(frozenset(u), float(v)) for u, v in row] for row in raw]
    packing = pack(options)
    assert packing.complete
    chosen = [c for c in packing.chosen if c]
    assert len({u for c in chosen for u in c.units}) == sum(len(c.units) for c in chosen)
    assert sum(c.value for c in chosen) == _best(options, frozenset())


def _best(options: list[list[Candidate]], taken: frozenset[int]) -> float:
    if not options:
        return 0.0
    rest = _best(options[1:], taken)
    for candidate in options[0]:
        if not candidate.units & taken:
            rest = max(rest, candidate.value + _best(options[1:], taken | candidate.units))
    return rest


TAGS = ["text", "people", "layout"]
ATOMS: st.SearchStrategy[Condition] = st.one_of(
    st.just(Always()),
    st.sampled_from(TAGS).map(HasTag),
    st.sampled_from([("critical",), ("exploratory",)]).map(lambda v: IsOneOf("lane", v)),
    st.sampled_from([("a",), ("a", "b")]).map(lambda v: IsOneOf("brand", v)),
    st.builds(
        Bounded, st.just("phrases"), st.sampled_from(["gt", "ge", "lt", "le", "equals"]), st.integers(0, 3).map(float)
    ),
    st.builds(Bounded, st.just("aspect"), st.sampled_from(["gt", "le"]), st.sampled_from([0.5, 1.0, 1.5])),
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda p: All(tuple(p))),
        st.lists(inner, min_size=1, max_size=3).map(lambda p: AnyOf(tuple(p))),
        inner.map(Not),
    ),
    max_leaves=5,
)
FACTS = st.builds(
    Facts,
    tags=st.frozensets(st.sampled_from(TAGS)),
    texts=st.fixed_dictionaries(
        {
            "lane": st.sampled_from([*Lane]),
            "brand": st.sampled_from(["", "a", "b", "c"]),
            "risk": st.just("low"),
            "campaign": st.just(""),
        }
    ),
    numbers=st.fixed_dictionaries(
        {
            **{f: st.just(n.low) for f, n in NUMBER_FIELDS.items()},
            "phrases": st.integers(0, 64),
            "aspect": st.floats(0.1, 10),
        }
    ),
)


@given(CONDITIONS, st.lists(CONDITIONS, max_size=3), st.lists(FACTS, min_size=20, max_size=40))
def test_the_search_for_a_witness_is_sound_and_complete(
    wanted: Condition, earlier: list[Condition], tries: list[Facts]
):
    found = witness(wanted, earlier)
    if found is not None:
        assert ready(wanted)(found)
        assert not any(ready(e)(found) for e in earlier)
    else:
        assert not any(ready(wanted)(f) and not any(ready(e)(f) for e in earlier) for f in tries)


def _as_yaml(condition: Condition) -> object:
    match condition:
        case Always():
            return {"always": True}
        case HasTag(name):
            return {"tag": name}
        case IsOneOf(field, (value,)):
            return {"field": field, "equals": value}
        case IsOneOf(field, values):
            return {"field": field, "in": list(values)}
        case Bounded(field, operator, bound):
            return {"field": field, operator: int(bound) if NUMBER_FIELDS[field].whole else bound}
        case All(parts):
            return {"all": [_as_yaml(p) for p in parts]}
        case AnyOf(parts):
            return {"any": [_as_yaml(p) for p in parts]}
        case Not(part):
            return {"not": _as_yaml(part)}


BRANDS = {f"brands/{b}.yml": f"name: {b}\npalette: []\ndelta_e_limit: 5\n" for b in "ab"}


@settings(max_examples=40)
@given(st.lists(CONDITIONS, max_size=4), st.lists(FACTS, max_size=20))
@example([HasTag("text"), HasTag("text")], [])
def test_a_ruleset_that_loads_has_no_unreachable_rule(conditions: list[Condition], tries: list[Facts]):
    rules = [{"name": f"r{i}", "when": _as_yaml(c), "use": "typeset"} for i, c in enumerate([*conditions, Always()])]
    modes = yaml.safe_load(config()["failure-modes.yml"])
    for mode in modes["failure_modes"].values():
        mode["prevented_by"] = [r["name"] for r in rules]
    files = {
        **config(),
        **BRANDS,
        "routing.yml": yaml.safe_dump({"rules": rules}),
        "failure-modes.yml": yaml.safe_dump(modes),
    }
    try:
        loaded = load_ruleset(files)
    except BadConfig as e:
        assert "can never fire" in str(e)  # noqa: PT017 either outcome is right; this one must say why
        assert str(e).count("line") >= 1  # noqa: PT017
        return
    by_name = {r.name: r.when for r in loaded.routing.rules}
    for name in by_name:
        assert shadow(by_name, name) == ()
    for facts in tries:
        assert loaded.routing.choose(facts).test(facts)
    assert from_document(loaded.document) == loaded


@given(st.sampled_from(sorted(config())), st.data())
@settings(max_examples=60)
def test_a_ruleset_with_a_line_gone_or_doubled_loads_or_says_where_it_is_wrong(file: str, data: st.DataObject):
    lines = config()[file].splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    again = data.draw(st.booleans())
    text = "\n".join([*lines[:at], *([lines[at]] * 2 if again else []), *lines[at + 1 :]]) + "\n"
    try:
        rules: Ruleset = load_ruleset({**config(), file: text})
    except BadConfig as e:
        assert e.file  # noqa: PT017 either outcome is right
    else:
        assert from_document(rules.document).id == rules.id


@given(st.text(max_size=200))
def test_a_document_is_a_ruleset_or_poison(document: str):
    with pytest.raises(Poison):
        from_document(document)


SEEN = st.one_of(
    st.just(inspection(read("FRXSH COFFEE"))),
    st.just(inspection(read("FRESH COFFEE"))),
    st.just(inspection(read())),
    st.just(inspection(read("FRESH COFFEE", "MORE TEXT"))),
    st.just(inspection(bytes__decodes=0.0)),
    st.just(inspection(blank__luma_std=0.0)),
    st.just(inspection(read("FRESH COFFEE"), palette__delta_e00_mean=50.0)),
)
MADE = st.one_of(
    st.just(rendering()),
    st.sampled_from(FailureKind).map(
        lambda k: rendering(outcome=Outcome.FAILED, asset=None, failure=RenderFailure(kind=k, message="x"))
    ),
)


@given(
    st.sampled_from([None, "simulator", "sd3.5-large"]),
    st.sampled_from(["a poster “FRESH COFFEE”", "a menu “FRESH COFFEE” by a woman", "a lighthouse"]),
    st.lists(st.tuples(SEEN, MADE), min_size=8, max_size=8),
)
def test_every_path_of_the_ladder_ends(engine: str | None, prompt: str, story: list[tuple[Inspection, Rendering]]):
    request = routed(job(prompt, engine=engine, brand="northwind-coffee"))
    state, spent, mended = State.ROUTED, 0.0, set[str]()
    for seen, made in story:
        event = ImageInspected(
            event_id=ids.event_id("x", "inspect", str(request.attempt)),
            at_ms=1,
            request=request,
            rendering=made,
            inspection=seen,
        )
        after = on_inspected(event, ruleset(), {}, 2)
        state = NEXT[(State.INSPECTED, type(after))]
        if not isinstance(after, AssetRejected):
            break
        again = on_rejected(after, ruleset(), 3)
        assert again.request.attempt == request.attempt + 1 < ruleset().ladder.max_attempts
        assert again.request.cost_spent_usd >= spent
        spent, request = again.request.cost_spent_usd, again.request
        assert (request.edit is not None) is (request.rung is Rung.TEXT_REGION)
        if request.edit is not None:
            assert request.engine not in mended
            mended.add(request.engine)
        assert ruleset().engines[request.engine].refuses(request.sampling, request) is None
    assert state in TERMINAL
    assert spent <= ruleset().ladder.max_cost_usd


@given(SEEN, st.sampled_from(Lane))
def test_an_error_of_a_check_is_never_an_accept(seen: Inspection, lane: Lane):
    broken = replace(seen, errors=(CheckError(check="size", message="x"),))
    request = routed(job("a poster “FRESH COFFEE”", lane=lane))
    assert judge(broken, rendering(), request, ruleset()).verdict is not Verdict.ACCEPT


def test_lettering_never_reaches_a_fast_engine():
    with pytest.raises(BadConfig, match="which cannot set any"):
        load_ruleset(changed("routing.yml", "use: text_specialist", "use: sd3.5-large-turbo"))
    event = on_prompt(submitted(job("a linocut “SALE”")), ruleset(), 1)
    assert isinstance(event, RenderRequested)
    assert event.request.engine == "ideogram-v1"
