"""A comparison finds its page, sums up all jobs, and shows them on sheets that stand alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from broker.settings import Settings
from ops.sharing import comparison_png as compare_png
from ops.sharing import comparison_view as compare_view
from ops.sharing.comparison import NEWEST, REACH, Comparison, Row, Run, Show, Targets, compare
from ops.sharing.comparison_view import Names, number, p_value, sentence
from rules.comparison import Change, Ending, Tally, change
from rules.lifecycle import State
from schemas.errors import BadConfig
from schemas.ids import job_id
from store.artifacts import ArtifactStore, open_store
from tests.pages import standing_alone

XSS = '<script>alert("x")</script><img src=http://evil.example onerror=alert(1)>'
MODES = {"wrong-text": "Wanted text is misspelt"}
OK, BAD, DOUBT = Ending.ACCEPT, Ending.REJECT, Ending.REVIEW


def a_run(ending: Ending | None, replay_id: str = "", *, asset: str | None = None) -> Run:
    good = ending is OK
    return Run(
        replay_id=replay_id,
        state=State.APPROVED if good else State.REVIEW,
        ending=ending,
        engine="sd3.5-large" if replay_id else "sd3.5-flash",
        backend="simulator",
        ruleset_id="c0ffee" + "0" * 58,
        attempts=1 if good else 3,
        asset_sha256=asset,
        failure_kind=None if asset else "out_of_memory",
        text_score=1.0 if good else 0.75,
        delta_e00=3.25,
        cost_usd=0.04 if good else 0.12,
        engine_ms=2500.0,
        end_to_end_ms=4200,
        defects=() if good else ("wrong-text",),
        reasons=() if good else ("looks like job 7e5 on host gpu-3.internal",),
        shadow=False,
    )


def a_row(n: int, before: Ending | None, after: Ending | None, *, prompt: str = "a poster", asset: str = "") -> Row:
    original, replay = a_run(before, asset=asset or None), a_run(after, "re7-spring", asset=asset or None)
    return Row(
        job_id=job_id(f"row {n}"),
        prompt=prompt,
        original=original,
        replays=(replay,),
        change=change(original.side, replay.side),
    )


ROWS = [
    a_row(0, OK, OK), a_row(1, BAD, OK), a_row(2, OK, BAD), a_row(3, DOUBT, OK), a_row(4, OK, None), a_row(5, BAD, OK),
]  # fmt: skip
REPLAY = Targets(jobs=(), replays=("re7-spring",))


def shown(found: Comparison) -> Sequence[Change | None]:
    return [row.change for row in found.rows]


def test_what_came_out_worse_stands_first_and_the_figures_are_of_all_jobs() -> None:
    found = compare(ROWS, REPLAY, limit=3)
    assert shown(found) == [Change.WORSE, Change.BETTER, Change.BETTER]
    assert (found.jobs, found.matching, found.next_page) == (6, 6, 2)
    rest = compare(ROWS, REPLAY, limit=3, page=2)
    assert shown(rest) == [Change.BETTER, None, Change.SAME]
    assert rest.next_page is None
    signs = rest.summaries["re7-spring"].verdict
    assert (signs.better, signs.worse, signs.same, rest.summaries["re7-spring"].waiting) == (3, 1, 1, 1)
    assert rest.summaries == found.summaries


@pytest.mark.parametrize(
    ("show", "want"),
    [
        (Show.WORSE, [Change.WORSE]),
        (Show.SAME, [Change.SAME]),
        (Show.WAITING, [None]),
        (Show.BETTER, [Change.BETTER] * 3),
    ],
)
def test_a_page_may_show_some(show: Show, want: Sequence[Change | None]) -> None:
    found = compare(ROWS, REPLAY, show=show)
    assert shown(found) == want
    assert found.jobs == 6


def test_every_page_is_found_once_among_many() -> None:
    many = [a_row(n, OK if n % 3 else BAD, OK if n % 2 else BAD) for n in range(300)]
    seen = [row.job_id for page in range(1, 32) for row in compare(many, REPLAY, limit=10, page=page).rows]
    assert sorted(seen) == sorted(row.job_id for row in many)


def test_a_page_too_far_is_refused() -> None:
    with pytest.raises(BadConfig, match="--show"):
        compare(ROWS, REPLAY, limit=200, page=REACH // 200 + 1)


def test_without_a_named_replay_the_newest_counts_and_a_job_without_its_own_run_does_not() -> None:
    two = replace(ROWS[1], replays=(a_run(BAD, "first"), a_run(OK, "second")))
    lost = replace(ROWS[2], original=None)
    found = compare([two, lost], Targets(jobs=(two.job_id,), replays=()))
    assert (found.summaries[NEWEST].verdict.better, found.summaries[NEWEST].verdict.pairs) == (1, 1)


def test_numbers_and_sentences_are_written_for_people() -> None:
    assert [number(n, v) for n, v in [("text_score", 0.987), ("cost_usd", 0.0012), ("cost_usd", 0.5)]] == [
        "98.7%", "$0.0012", "$0.50",
    ]  # fmt: skip
    assert [number(n, v) for n, v in [("engine_ms", 1234.5), ("delta_e00", 3.0), ("delta_e00", None)]] == [
        "1.23 s", "3.00", "–",
    ]  # fmt: skip
    assert [p_value(v) for v in (0.00001, 0.0123, 0.5)] == ["< 0.0001", "0.0123", "0.50"]
    tally = Tally()
    assert sentence(tally.summary()) == "No pair has been judged on both sides yet."
    for _ in range(20):
        tally.add(a_run(BAD).side, a_run(OK).side)
    assert sentence(tally.summary()) == (
        "Accepted: 0 of 20 before, 20 after. Of the 20 that changed, 20 are better (95% interval 83% to 100%);"
        " exact p < 0.0001."
    )
    same = Tally()
    same.add(a_run(OK).side, a_run(OK).side)
    assert sentence(same.summary()).endswith("No verdict changed.")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return open_store(Settings.model_validate({"state_dir": tmp_path}))


def put(store: ArtifactStore, colour: str) -> str:
    out = io.BytesIO()
    Image.new("RGB", (90, 60), colour).save(out, "PNG")
    return store.put(out.getvalue())


def sheet(found: Comparison, store: ArtifactStore, *, inside: bool) -> str:
    names = Names(modes=MODES, inside=inside)
    return compare_view.html(found, store, names, title=XSS, subtitle="two runs", foot="the end")


def test_a_sheet_shows_runs_side_by_side_and_runs_nothing_that_people_wrote(store: ArtifactStore) -> None:
    found = compare([a_row(1, BAD, OK, prompt=XSS, asset=put(store, "#ff0000")), a_row(2, OK, BAD)], REPLAY)
    page = sheet(found, store, inside=True)
    assert page.count('src="data:image/jpeg;base64,') == 2
    assert page.count("Nothing was rendered: out of memory.") == 2
    parsed = standing_alone(page)
    assert parsed.words.count(XSS) == 3  # browser title, heading, prompt
    assert all(f'alt="{name}' in page for name in ("Original, rejected", "Replay re7-spring, accepted"))
    for words in ("1</b>better", "1</b>worse", "Wanted text is misspelt", "gpu-3.internal", job_id("row 1"), "$0.12"):
        assert words in page


def test_for_others_a_sheet_tells_no_ids_costs_or_evidence(store: ArtifactStore) -> None:
    found = compare([a_row(1, BAD, OK, asset=put(store, "#00ff00"))], REPLAY)
    page = sheet(found, store, inside=False)
    standing_alone(page)
    for leak in (job_id("row 1"), "re7-spring", "gpu-3.internal", "$", "c0ffee", "4.20 s", "Attempts"):
        assert leak not in page
    for words in ("Original", "Replay 1", "No. 1", "ΔE00", put(store, "#00ff00")):
        assert words in page
    assert sheet(found, store, inside=False) == page


def test_pictures_that_are_gone_are_said_to_be(store: ArtifactStore) -> None:
    page = sheet(compare([a_row(1, OK, OK, asset="e" * 64)], REPLAY), store, inside=True)
    assert page.count("gone from the store") == 2


def test_nothing_to_show_is_said(store: ArtifactStore) -> None:
    assert "No job to show." in sheet(compare([], REPLAY), store, inside=True)


def test_the_picture_holds_every_run(store: ArtifactStore) -> None:
    found = compare([a_row(1, BAD, OK, asset=put(store, "#ff0000")), a_row(2, OK, BAD, prompt="")], REPLAY)
    made = compare_png.png(found, store, Names(modes=MODES, inside=True), title="re7-spring", subtitle="2 jobs")
    with Image.open(io.BytesIO(made)) as image:
        image.load()
        assert image.width == 2 * compare_png.EDGE + compare_png.SIDE_W + 2 * compare_png.TILE_W
        counted = image.convert("RGB").getcolors(1_000_000)
    assert counted is not None
    assert {colour: n for n, colour in counted}[(255, 0, 0)] > 2 * 200 * 150


def test_a_long_page_says_that_it_does_not_fit(store: ArtifactStore) -> None:
    many = [a_row(n, OK, OK) for n in range(compare_png.MAX_ROWS + 2)]
    found = compare(many, REPLAY, limit=200)
    made = compare_png.png(found, store, Names(modes=MODES, inside=True), title="long", subtitle="")
    with Image.open(io.BytesIO(made)) as image:
        assert image.height < compare_png.MAX_ROWS * (compare_png.ROW_H + compare_png.GAP) + 600
