"""Conditions, the search for facts a rule can fire on, and which rule takes which work."""

from __future__ import annotations

from typing import Any

import pytest

from rules.conditions import All, Always, AnyOf, Bounded, Condition, Facts, HasTag, IsOneOf, Not, ready
from rules.reach import OTHER, shadow, witness
from rules.ruleset import load_ruleset
from schemas.events import Box, Edit, FileRef, FileRole, ImageFormat, Job, Lane, Preset
from tests.unit.rules.samples import LOGO, changed, job, refused, routed, ruleset

TAG, OTHER_TAG = HasTag("people"), HasTag("text")
CRITICAL = IsOneOf("lane", ("critical",))


def facts(*tags: str, lane: str = "critical", pixels: float = 1e6) -> Facts:
    return Facts(tags=frozenset(tags), texts={"lane": lane}, numbers={"pixels": pixels})


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        (Always(), True),
        (TAG, True),
        (OTHER_TAG, False),
        (Not(OTHER_TAG), True),
        (All((TAG, CRITICAL)), True),
        (All((TAG, OTHER_TAG)), False),
        (AnyOf((OTHER_TAG, CRITICAL)), True),
        (AnyOf((OTHER_TAG, IsOneOf("lane", ("exploratory",)))), False),
        (Bounded("pixels", "gt", 1e6), False),
        (Bounded("pixels", "ge", 1e6), True),
        (Bounded("pixels", "lt", 1e6), False),
        (Bounded("pixels", "le", 1e6), True),
        (Bounded("pixels", "equals", 1e6), True),
    ],
)
def test_conditions(condition: Condition, truth: bool):
    assert ready(condition)(facts("people")) is truth


@pytest.mark.parametrize(
    ("wanted", "earlier", "reachable"),
    [
        (TAG, [], True),
        (TAG, [TAG], False),
        (TAG, [AnyOf((TAG, OTHER_TAG))], False),
        (AnyOf((TAG, OTHER_TAG)), [TAG], True),
        (TAG, [All((TAG, CRITICAL)), All((TAG, Not(CRITICAL)))], False),
        (Always(), [IsOneOf("lane", ("critical",)), IsOneOf("lane", ("exploratory",))], False),
        (Always(), [IsOneOf("brand", ("a",))], True),
        (Bounded("phrases", "gt", 2), [Bounded("phrases", "ge", 3)], False),
        (Bounded("phrases", "ge", 2), [Bounded("phrases", "gt", 2)], True),
        (Bounded("aspect", "gt", 1.5), [Bounded("aspect", "gt", 1.4)], False),
        (Bounded("aspect", "gt", 1.4), [Bounded("aspect", "gt", 1.5)], True),
        (Bounded("phrases", "gt", 64), [], False),
        (All((TAG, Not(TAG))), [], False),
    ],
)
def test_reach(wanted: Condition, earlier: list[Condition], reachable: bool):
    found = witness(wanted, earlier)
    assert (found is not None) is reachable
    if found is not None:
        assert ready(wanted)(found)
        assert not any(ready(e)(found) for e in earlier)


def test_a_name_that_no_rule_mentions_is_tried():
    found = witness(Not(IsOneOf("brand", ("a",))), [])
    assert found is not None
    assert found.texts["brand"] == OTHER


def test_who_hides_a_rule_is_named_alone_or_together():
    rules: dict[str, Condition] = {"a": TAG, "b": All((TAG, CRITICAL)), "c": Always(), "d": OTHER_TAG}
    assert shadow(rules, "a") == ()
    assert shadow(rules, "b") == ("a",)
    assert shadow(rules, "d") == ("c",)
    split: dict[str, Condition] = {"x": OTHER_TAG, "a": CRITICAL, "b": Not(CRITICAL), "c": TAG}
    assert shadow(split, "c") == ("a", "b")


CRIT = Lane.CRITICAL


@pytest.mark.parametrize(
    ("wanted", "engine", "rule"),
    [
        (job("a lighthouse"), "sd3.5-large", "otherwise"),
        (job("a lighthouse, linocut"), "sd3.5-flash", "sketches"),
        (job("a lighthouse, linocut", lane=CRIT), "sd3.5-large", "otherwise"),
        (job("a lighthouse, linocut, with typography"), "sd3.5-large", "otherwise"),
        (job("a poster “OPEN”, linocut"), "ideogram-v1", "lettering"),
        (job("a poster “OPEN”", lane=CRIT), "ideogram-v1", "lettering"),
        (job("a menu “OPEN”", lane=CRIT), "typeset", "critical-layout"),
        (job("a poster “30% OFF”", lane=CRIT), "typeset", "critical-layout"),
        (job("a poster “30% OFF”"), "ideogram-v1", "lettering"),
        (job("a poster “" + "word " * 10 + "”"), "typeset", "long-copy"),
        (job("“a” “b” “c” “d” “e”"), "typeset", "long-copy"),
        (job("a cup", files=(LOGO,), brand="northwind-coffee"), "typeset", "supplied-logo"),
        (job("a woman at a window"), "sd3.5-large", "people-in-view"),
        (job("a cup", brand="northwind-coffee"), "sd3.5-large", "branded-pictures"),
        (job("a cup", engine="simulator"), "simulator", "engine asked for"),
    ],
)
def test_who_takes_what(wanted: Job, engine: str, rule: str):
    request = routed(wanted)
    assert (request.engine, request.rule) == (engine, rule)
    assert request.sampling == ruleset().engines[engine].standard.sampling(Preset.STANDARD, 7)


def test_no_fast_variant_is_ever_given_lettering():
    for engine in ("sd3.5-flash", "sd3.5-large-turbo", "sd3.5-medium"):
        (reason,) = refused(job("a poster “OPEN”", engine=engine))
        assert "cannot set text" in reason


@pytest.mark.parametrize(
    ("fields", "needle"),
    [
        ({"engine": "sd3.5-larg"}, "There is no engine 'sd3.5-larg'; did you mean 'sd3.5-large'?"),
        ({"engine": "sd3.5-large", "width": 1000}, "ask for 992 x 1024"),
        ({"width": 8192, "height": 8192}, "up to 1638400 pixels"),
        ({"engine": "ideogram-v1", "required_text": ("x" * 61,)}, "up to 60 characters, the longest here has 61"),
        ({"engine": "ideogram-v1", "files": (LOGO,)}, "cannot use 'logo.png' as logo"),
    ],
)
def test_an_engine_that_cannot_do_it_is_a_refusal_with_the_reason(fields: dict[str, Any], needle: str):
    assert any(needle in r for r in refused(job("a cup", **fields)))


def file(role: FileRole, name: str = "", media_type: str = "image/png") -> FileRef:
    name = name or f"{role.value}.png"
    return FileRef(role=role, name=name, sha256="d" * 64, media_type=media_type, size_bytes=1)


INIT, MASK = file(FileRole.INIT_IMAGE), file(FileRole.MASK)
LAYOUT = file(FileRole.LAYOUT, "layout.json", "application/json; charset=utf-8")
COLOURS, STYLE = file(FileRole.COLOUR_MASK), file(FileRole.STYLE_REFERENCE)


@pytest.mark.parametrize(
    ("prompt", "files", "engine", "rule"),
    [
        ("a cup", (INIT,), "sd3.5-large", "otherwise"),
        ("a cup, linocut", (INIT,), "sd3.5-flash", "sketches"),
        ("a poster “OPEN”", (INIT,), "ideogram-v1", "lettering"),
        ("a poster “OPEN”", (INIT, MASK), "sd3.5-large", "masked-part"),
        ("a poster “OPEN”", (LAYOUT, LOGO, LOGO, INIT), "typeset", "supplied-logo"),
        ("a poster “OPEN”", (LAYOUT,), "typeset", "supplied-layout"),
        ("a cup", (COLOURS,), "sd3.5-large", "branded-pictures"),
    ],
)
def test_files_lead_to_an_engine_that_uses_them(prompt: str, files: tuple[FileRef, ...], engine: str, rule: str):
    request = routed(job(prompt, files=files, brand="northwind-coffee" if COLOURS in files else ""))
    assert (request.engine, request.rule) == (engine, rule)


@pytest.mark.parametrize(
    ("files", "engine", "reason"),
    [
        ((STYLE,), None, "sd3.5-large cannot use 'style_reference.png' as style_reference; no engine here can; leave"),
        (
            (INIT, MASK),
            "ideogram-v1",
            "ideogram-v1 cannot use 'mask.png' as mask; sd3.5-large, sd3.5-medium can; ask for such an engine",
        ),
        (
            (INIT, MASK, LOGO),
            None,
            "typeset cannot use 'mask.png' as mask; sd3.5-large, sd3.5-medium can, but not together with the other",
        ),
    ],
)
def test_a_file_that_the_engine_cannot_use_is_a_refusal_with_those_that_can(
    files: tuple[FileRef, ...], engine: str | None, reason: str
):
    assert refused(job("a cup", files=files, engine=engine))[0].startswith(reason)


def test_a_worker_refuses_what_its_profile_has_lost_since():
    large, medium = ruleset().engines["sd3.5-large"], ruleset().engines["sd3.5-flash"]
    masked = routed(job("a cup", files=(INIT, MASK)))
    assert large.refuses(masked.sampling, masked) is None
    assert medium.refuses_files(masked.job.files) == "sd3.5-flash cannot use 'mask.png' as mask"
    edit = Edit(source_sha256="b" * 64, boxes=(Box(left=0, top=0, right=8, bottom=8),), strength=0.9)
    assert large.refuses_edit(edit) is None
    assert medium.refuses_edit(edit) == "sd3.5-flash draws whole pictures and cannot redo 1 part(s) of one"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"upscale": 3}, "upscale is 3; ask for 1, 2 or 4."),
        ({"upscale": 4, "width": 2048, "height": 2064}, "8192 x 8256 pixels are wanted, 67108864 in all"),
        (
            {"upscale": 4, "width": 4160, "height": 512, "format": ImageFormat.WEBP},
            "16640 x 2048 pixels are wanted, a webp holds 16383 a side; ask for png or jpeg.",
        ),
        ({"files": (MASK,)}, "The mask 'mask.png' says what of a picture is redone, and no init_image came with it"),
        ({"files": (INIT, MASK, MASK)}, "2 files came as mask ('mask.png', 'mask.png'); send one."),
        (
            {"files": (file(FileRole.LAYOUT, "layout.png"),)},
            "The file 'layout.png' is image/png, as layout it must be application/json.",
        ),
        (
            {"files": (file(FileRole.LOGO, "logo.svg", "image/svg+xml"),)},
            "The file 'logo.svg' is image/svg+xml, as logo it must be image/png or image/jpeg or image/webp.",
        ),
        ({"files": (file(FileRole.LOGO, "logo", ""),)}, "The file 'logo' is of no type, as logo"),
        ({"files": (COLOURS,)}, "The colour_mask 'colour_mask.png' is for the colours of a brand; name the brand"),
    ],
)
def test_files_and_sizes_that_make_no_sense_are_refused_with_the_mend(fields: dict[str, Any], reason: str):
    assert refused(job("a cup", **fields))[0].startswith(reason)


def test_a_colour_mask_needs_the_step_that_uses_it():
    rules = load_ruleset(changed("pipeline.yml", "  - postprocess: color-normalize\n", ""))
    (reason,) = refused(job("a cup", files=(COLOURS,), brand="northwind-coffee"), rules)
    assert "is for color-normalize, which is not in force here" in reason


def test_an_enlarged_picture_is_rendered_at_its_own_size():
    assert routed(job("a cup", upscale=4, width=1024, height=1024)).job.upscale == 4


def test_lettering_is_kept_out_by_a_negative_prompt_where_the_engine_takes_one():
    assert routed(job("a cup", negative_prompt="steam")).negative_prompt.startswith("steam, text, letters")
    assert routed(job("a cup, linocut", negative_prompt="steam")).negative_prompt == "steam"
