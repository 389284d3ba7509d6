"""The verdict: accept only what every check passed, reject what is certain, ask a person about the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rules.text_verdict import is_sure
from rules.verdict import judge
from schemas.events import (
    CheckError,
    Defect,
    FailureKind,
    Job,
    Judgement,
    Lane,
    LatentStats,
    Outcome,
    PromptCut,
    RenderFailure,
    TextRead,
    Verdict,
    Word,
)
from tests.unit.rules.samples import LOGO, inspection, job, read, rendering, routed, ruleset, word

POSTER = job("a poster “FRESH COFFEE”")
CRITICAL = job("a poster “FRESH COFFEE”", lane=Lane.CRITICAL)
PRICE = job("a poster “ONLY $10”", lane=Lane.CRITICAL)
PICTURE = job("a lighthouse")
SOUND_LATENTS = LatentStats(finite=True, std=1.1, absmax=5)


def verdict(wanted: Job, *reads: TextRead, **values: Any) -> Judgement:
    return judge(inspection(*reads, **values), rendering(), routed(wanted), ruleset())


def second(*lines: str | Word) -> TextRead:
    return read(*lines, reader="rapidocr@640")


def cut(encoder: str, limit: int) -> PromptCut:
    return PromptCut(encoder=encoder, tokens=300, limit=limit, lost="a red kite above")


def test_words_that_no_encoder_saw_are_shown_to_a_person():
    seen = rendering(cut=(cut("clip_l", 77), cut("t5", 256)))
    judged = judge(inspection(read()), seen, routed(PICTURE), ruleset())
    assert judged.verdict is Verdict.REVIEW
    defect = only(judged)
    assert (defect.mode, defect.check, defect.value, defect.threshold) == ("prompt-cut-off", "outcome", 300, 256)
    assert defect.evidence == "t5 took 256 of 300 tokens and never saw 'a red kite above'"
    assert not defect.certain


def test_words_that_only_a_small_encoder_lost_are_a_note():
    seen = rendering(cut=(cut("clip_l", 77), cut("clip_g", 77)))
    judged = judge(inspection(read()), seen, routed(PICTURE), ruleset())
    assert (judged.verdict, judged.defects) == (Verdict.ACCEPT, ())
    assert judged.reasons == (
        "Every check in force passed.",
        "clip_l took 77 of 300 tokens of the prompt; a larger encoder more.",
        "clip_g took 77 of 300 tokens of the prompt; a larger encoder more.",
    )


def test_the_room_of_the_engine_that_painted_counts():
    seen = rendering(cut=(cut("clip_l", 77),))
    request = routed(PICTURE)
    for engine, verdict in (("typeset", Verdict.ACCEPT), ("ideogram-v1", Verdict.REVIEW), ("gone", Verdict.REVIEW)):
        judged = judge(inspection(read()), seen, replace(request, engine=engine), ruleset())
        assert judged.verdict is verdict


def scores(judgement: Judgement) -> dict[str, float]:
    """The scores that the checks gave; doubts are tested in test_doubt.py."""
    return {name: score for name, score in judgement.scores.items() if not name.startswith("doubt.")}


def only(judgement: Judgement) -> Defect:
    (defect,) = judgement.defects
    return defect


def test_what_every_check_passed_is_accepted():
    good = verdict(POSTER, read("FRESH COFFEE"))
    assert (good.verdict, good.defects, scores(good)) == (Verdict.ACCEPT, (), {"text": 1.0})
    assert good.ruleset_id == ruleset().id
    assert good.reasons == ("Every check in force passed.",)
    assert verdict(PICTURE, read()).verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("lines", "mode", "evidence"),
    [
        (["FRESH COFFE"], "wrong-text", "expected 'FRESH COFFEE', seen 'FRESH COFFE'"),
        (["FRESH COFFFEE"], "wrong-text", "seen 'FRESH COFFFEE'"),
        ([], "missing-text", "expected 'FRESH COFFEE', seen nothing like it"),
        (["FRESH COFFEE", "NEW SEASON"], "extra-text", "seen 'NEW SEASON', which nobody asked for"),
        (["FRESH COFFEE", "FRESH COFFEE"], "extra-text", "seen 'FRESH COFFEE' a second time"),
    ],
)
def test_wrong_missing_and_extra_text_are_three_defects(lines: list[str], mode: str, evidence: str):
    bad = verdict(POSTER, read(*lines), second(*lines))
    assert bad.verdict is Verdict.REJECT
    assert (only(bad).mode, only(bad).certain) == (mode, True)
    assert evidence in only(bad).evidence
    assert bad.scores["text"] < 1


def test_text_where_none_was_asked():
    assert only(verdict(PICTURE, read("SALE NOW"), second("SALE NOW"))).mode == "extra-text"
    assert verdict(job("a folded newspaper"), read("DAILY POST")).verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    "stray",
    [
        word("I", 3),
        word("OO", 3),
        word("TEXTURE", 3, confidence=0.6),
        word("texture", 3, height=5),
    ],
)
def test_specks_and_texture_reject_nothing(stray: Word):
    assert verdict(POSTER, read("FRESH COFFEE", stray)).verdict is Verdict.ACCEPT


def test_stray_text_that_one_reader_alone_saw_is_shown_to_a_person():
    doubt = verdict(PICTURE, read("SALE NOW"), second())
    assert (doubt.verdict, only(doubt).certain) == (Verdict.REVIEW, False)
    assert verdict(PICTURE, read("SALE NOW"), second(word("SALF NOW", confidence=0.55))).verdict is Verdict.REJECT


def test_one_exact_reading_outweighs_a_reader_that_saw_nothing_or_was_unsure():
    assert verdict(POSTER, read(), second("FRESH COFFEE")).verdict is Verdict.ACCEPT
    unsure = word("FRESH COFFFE", confidence=0.6)
    assert verdict(POSTER, read(unsure), second("FRESH COFFEE")).verdict is Verdict.ACCEPT


def test_readers_that_disagree_ask_for_a_person():
    doubt = verdict(POSTER, read("FRESH COFFE"), second("FRESH COFFEE"))
    assert doubt.verdict is Verdict.REVIEW
    assert "readers disagree: 'FRESH COFFEE' and 'FRESH COFFE'" in only(doubt).evidence


def test_thin_evidence_asks_for_a_person():
    faint = word("FRESH COFFEE", confidence=0.4)
    assert verdict(POSTER, read(faint)).verdict is Verdict.REVIEW
    nearly = word("FRESH COFFFE", confidence=0.6)
    assert verdict(POSTER, read(nearly), second(nearly)).verdict is Verdict.REVIEW
    garbled = word("FRXQH CQFZEB", confidence=0.7)
    assert verdict(POSTER, read(garbled), second(garbled)).verdict is Verdict.REJECT


def test_look_alikes_pass_in_sketches_and_are_shown_to_a_person_where_mistakes_are_dear():
    assert verdict(POSTER, read("FRE5H C0FFEE")).verdict is Verdict.ACCEPT
    assert verdict(CRITICAL, read("FRE5H C0FFEE")).verdict is Verdict.REVIEW
    assert verdict(CRITICAL, read("FRE5H C0FFEE"), second("FRESH COFFEE")).verdict is Verdict.ACCEPT
    doubt = verdict(PRICE, read("ONLY $1O"))
    assert (doubt.verdict, only(doubt).mode) == (Verdict.REVIEW, "wrong-text")
    assert verdict(PRICE, read("ONLY $10")).verdict is Verdict.ACCEPT
    assert verdict(PRICE, read("ONLY $18"), second("ONLY $18")).verdict is Verdict.REJECT


def test_letters_of_a_logo_may_be_read_in_part_where_its_file_came_along():
    known = job("a bag with the logo “CARRY ON”", brand="northwind-coffee", files=(LOGO,))
    assert verdict(known, read("OFFEE", "CARRY ON")).verdict is Verdict.ACCEPT
    assert verdict(known, read("SALE NOW", "CARRY ON")).verdict is Verdict.REJECT
    unknown = job("a bag with the logo “CARRY ON”", files=(LOGO,))
    assert verdict(unknown, read("SALE NOW", "CARRY ON")).verdict is Verdict.REVIEW
    without = job("a bag “CARRY ON”", brand="northwind-coffee")
    assert verdict(without, read("NORTHWIMD COFFEE", "CARRY ON")).verdict is Verdict.REJECT


def test_a_check_that_could_not_measure_is_never_an_accept():
    error = CheckError(check="text", message="the reader ran out of memory")
    judged = judge(inspection(read("FRESH COFFEE"), errors=[error]), rendering(), routed(POSTER), ruleset())
    assert judged.verdict is Verdict.REVIEW
    assert "ran out of memory" in judged.reasons[0]


def test_a_reader_that_never_looked_is_never_an_accept():
    unread = judge(
        inspection().__class__(measurements=inspection().measurements, reads=(), errors=(), elapsed_ms=1),
        rendering(),
        routed(PICTURE),
        ruleset(),
    )
    assert unread.verdict is Verdict.REVIEW


@pytest.mark.parametrize(
    "number",
    [
        ("bytes", "decodes"),
        ("size", "width_px"),
        ("blank", "luma_std"),
        ("noise", "corner_share"),
    ],
)
def test_a_number_that_is_missing_is_never_an_accept(number: tuple[str, str]):
    judged = judge(inspection(without=[number]), rendering(), routed(PICTURE), ruleset())
    assert judged.verdict is Verdict.REVIEW
    assert any(number[0] in r for r in judged.reasons)
    error = CheckError(check=number[0], message="broke")
    told = judge(inspection(without=[number], errors=[error]), rendering(), routed(PICTURE), ruleset())
    assert len(told.reasons) == 1


@pytest.mark.parametrize(
    ("values", "mode", "rejected"),
    [
        ({"bytes__decodes": 0.0}, "corrupt-bytes", True),
        ({"bytes__format_matches": 0.0}, "corrupt-bytes", True),
        ({"size__width_px": 768.0}, "wrong-size", True),
        ({"blank__luma_std": 0.4, "blank__luma_mean": 1.0}, "blank-frame", True),
        ({"blank__luma_std": 0.0, "blank__luma_mean": 255.0}, "blank-frame", True),
        ({"blank__luma_std": 0.0, "blank__luma_mean": 99.0}, "blank-frame", True),
        ({"noise__block_correlation": 0.1}, "latent-noise", True),
        ({"noise__luma_deviation": 40.0}, "latent-noise", True),
        ({"noise__corner_share": 0.8}, "latent-noise", False),
    ],
)
def test_numbers_beyond_their_threshold(values: dict[str, float], mode: str, rejected: bool):
    judged = verdict(PICTURE, read(), **values)
    assert judged.verdict is (Verdict.REJECT if rejected else Verdict.REVIEW)
    assert (only(judged).mode, only(judged).certain) == (mode, rejected)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"bytes__size_bytes": 0.0}, "it is empty"),
        ({"bytes__known": 0.0}, "no picture of a kind that is read"),
        ({"bytes__ends": 0.0}, "cut off"),
        ({"bytes__frames": 3.0}, "an animation of 3 frames"),
        ({"bytes__too_large": 1.0}, "larger than any job may ask for"),
        ({}, "to its last pixel"),
    ],
)
def test_a_broken_file_says_in_which_way(found: dict[str, float], says: str):
    judged = verdict(PICTURE, read(), bytes__decodes=0.0, **found)
    assert (only(judged).mode, judged.verdict) == ("corrupt-bytes", Verdict.REJECT)
    assert says in only(judged).evidence


def test_a_frame_with_no_mean_is_still_empty():
    judged = judge(
        inspection(without=[("blank", "luma_mean")], blank__luma_std=0.0), rendering(), routed(PICTURE), ruleset()
    )
    assert only(judged).evidence == "the frame is empty: one even colour"


def test_a_flat_design_is_not_empty():
    # A small logo on white: 0.1 % black, luma_std 8, nearly all flat.
    assert verdict(PICTURE, read(), blank__luma_mean=254.7, blank__luma_std=8.0, blank__flat_share=0.998).verdict is (
        Verdict.ACCEPT
    )


def test_shapes_of_one_luma_are_not_empty():
    assert verdict(PICTURE, read(), blank__luma_std=0.4, blank__channel_std=8.0).verdict is Verdict.ACCEPT
    assert verdict(PICTURE, read(), blank__luma_std=0.4, blank__channel_std=0.9).verdict is Verdict.REJECT


def test_what_spoils_the_whole_picture_is_the_only_finding():
    judged = verdict(POSTER, read(), blank__luma_std=0.0)
    assert [d.mode for d in judged.defects] == ["blank-frame"]
    assert judged.scores == {}


@pytest.mark.parametrize(
    ("finite", "std", "absmax", "bad"),
    [
        (1.0, 1.1, 5.0, False),
        (0.0, 0.0, 0.0, True),
        (1.0, 167.0, 900.0, True),
        (1.0, 0.1, 5.0, True),
        (1.0, 1.1, 99.0, True),
    ],
)
def test_latents(finite: float, std: float, absmax: float, bad: bool):
    seen = inspection(latents__finite=finite, latents__std=std, latents__absmax=absmax)
    judged = judge(seen, rendering(latents=SOUND_LATENTS), routed(PICTURE), ruleset())
    assert [d.mode for d in judged.defects] == (["broken-latents"] if bad else [])


def test_latents_that_were_not_looked_at_are_doubt():
    judged = judge(inspection(), rendering(latents=SOUND_LATENTS), routed(PICTURE), ruleset())
    assert judged.verdict is Verdict.REVIEW


@pytest.mark.parametrize(
    ("prompt", "distance", "cast", "mode", "rejected"),
    [
        ("a menu layout", 9.0, 5.0, None, False),
        ("a menu layout", 30.0, 5.0, "colour-drift", True),
        ("a red tent", 30.0, 5.0, None, False),
        ("a red tent", 30.0, 35.0, "colour-drift", False),
        ("a red tent", 9.0, 35.0, None, False),
    ],
)
def test_brand_colours_bind_designs_and_guide_pictures(
    prompt: str, distance: float, cast: float, mode: str | None, rejected: bool
):
    judged = verdict(job(prompt, brand="halden-outdoor"), read(), palette__delta_e00_mean=distance, palette__cast=cast)
    assert [d.mode for d in judged.defects] == ([mode] if mode else [])
    assert (judged.verdict is Verdict.REJECT) is rejected


def test_a_palette_that_was_not_measured_says_nothing():
    judged = judge(inspection(without=[("palette", "cast")]), rendering(), routed(PICTURE), ruleset())
    assert judged.defects == ()


@pytest.mark.parametrize(
    "wanted",
    [
        job("a portrait of a woman", lane=Lane.CRITICAL),
        job("a cup with our logo", brand="northwind-coffee"),
        job("a Nike shoe"),
        job("a poster with a headline", lane=Lane.CRITICAL),
    ],
)
def test_work_that_a_person_must_see_is_reviewed_and_never_rejected(wanted: Job):
    judged = verdict(wanted, read())
    assert judged.verdict is Verdict.REVIEW
    assert not only(judged).certain


def test_people_in_sketches_pass():
    assert verdict(job("a portrait of a woman"), read()).verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (FailureKind.OUT_OF_MEMORY, "render-failed"),
        (FailureKind.REFUSED_BY_ENGINE, "engine-refusal"),
        (FailureKind.BROKEN_LATENTS, "broken-latents"),
        (FailureKind.CORRUPT_OUTPUT, "corrupt-bytes"),
    ],
)
def test_a_failed_render_is_rejected_by_its_kind(kind: FailureKind, mode: str):
    failed = rendering(outcome=Outcome.FAILED, asset=None, failure=RenderFailure(kind=kind, message="no"))
    judged = judge(inspection(), failed, routed(PICTURE), ruleset())
    assert (judged.verdict, only(judged).mode, only(judged).check) == (Verdict.REJECT, mode, "outcome")


def test_a_render_without_asset_or_reason_is_corrupt():
    judged = judge(inspection(), rendering(asset=None), routed(PICTURE), ruleset())
    assert only(judged).mode == "corrupt-bytes"


def test_an_aesthetic_score_ranks_and_decides_nothing():
    judged = verdict(PICTURE, read(), aesthetic__score=0.01)
    assert (judged.verdict, scores(judged)) == (Verdict.ACCEPT, {"text": 1.0, "aesthetic": 0.01})


def test_an_aesthetic_score_stays_in_its_bounds():
    assert verdict(PICTURE, read(), aesthetic__score=1.5).scores["aesthetic"] == 1
    assert "aesthetic" not in verdict(PICTURE, read()).scores


def test_text_that_is_too_tangled_to_assign_is_doubt():
    tangled = job("a poster", required_text=("a" * 40 + "b",))
    many = read(*(word("a", i / 10) for i in range(60)))
    judged = verdict(tangled, many)
    assert "There are too many ways" in " ".join(judged.reasons)


def test_checks_that_are_not_in_force_are_not_missed():
    from rules.ruleset import load_ruleset
    from tests.unit.rules.samples import config

    verdicts = config()["verdict.yml"].replace(
        "checks: [bytes, size, latents, blank, noise, text, palette, aesthetic, composition, logo, tones, drift, "
        "duplicate, glyphs,",
        "checks: [",
    )
    modes = config()["failure-modes.yml"]
    for check in (
        "text",
        "bytes",
        "blank",
        "noise",
        "size",
        "palette",
        "composition",
        "bytes",
        "tones",
        "drift",
        "duplicate",
        "glyphs",
    ):
        modes = modes.replace(f"caught_by: [{check}]", "caught_by: [outcome]")
    modes = modes.replace("caught_by: [latents, outcome]", "caught_by: [outcome]")
    modes = modes.replace("caught_by: [aesthetic, composition]", "caught_by: [outcome]")
    modes = modes.replace("caught_by: [logo]", "caught_by: [outcome]")
    # The rule that speaks for the check goes with it.
    start, end = verdicts.index("  - check: logo"), verdicts.index("  - check: prompt-sanity")
    verdicts = verdicts[:start] + verdicts[end:]
    pipeline = config()["pipeline.yml"].replace("aesthetic-and-reading-score", "reading-score")
    few = load_ruleset({**config(), "verdict.yml": verdicts, "failure-modes.yml": modes, "pipeline.yml": pipeline})
    judged = judge(inspection(), rendering(latents=SOUND_LATENTS), routed(POSTER, few), few)
    assert (judged.verdict, scores(judged)) == (Verdict.ACCEPT, {})


@pytest.mark.parametrize(("upscale", "side", "verdict"), [(2, 2048.0, Verdict.ACCEPT), (4, 2048.0, Verdict.REJECT)])
def test_what_is_enlarged_is_wanted_at_the_size_it_is_delivered_in(upscale: int, side: float, verdict: Verdict):
    plain = routed(PICTURE)
    request = replace(plain, job=replace(plain.job, upscale=upscale))
    seen = inspection(size__width_px=side, size__height_px=side)
    judged = judge(seen, rendering(), request, ruleset())
    assert judged.verdict is verdict
    if verdict is Verdict.REJECT:
        assert "4096 x 4096 were asked for" in judged.defects[0].evidence


def test_a_further_look_is_needed_until_what_was_read_is_sure():
    height = 1024
    request = routed(POSTER)
    assert not is_sure((), request, ruleset().thresholds, height)
    assert is_sure((read("FRESH COFFEE"),), request, ruleset().thresholds, height)
    assert not is_sure((read("FRESH COFFE"),), request, ruleset().thresholds, height)
