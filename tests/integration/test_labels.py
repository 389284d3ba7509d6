"""Labels on a real Postgres and a real broker: sent, projected, wanted, agreed with, and calibrated on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from audit import labels
from audit.labels import Sample
from audit.queries import EVERYTHING
from audit.sink import run
from broker.admin import ensure_topics
from broker.settings import Settings
from ops.cli import app
from ops.labels import agreement
from ops.labels.agreement import Table
from rules.ruleset import load_ruleset
from schemas import ids
from schemas.catalogue import DESIGN_QUEUE, LABELS, REVIEW
from schemas.errors import BadConfig, Transient
from schemas.events import (
    AssetApproved,
    AssetLabelled,
    Defect,
    Judgement,
    LabelSource,
    ReviewRequested,
    TouchUpReported,
    Verdict,
)
from tests.integration.audit_ledger import fetched, fill, open_ledger
from tests.stories import START_MS, Said, accepted, job, rendering, request

WRONG = "wrong-text"


def asset_of(key: str) -> str:
    asset = rendering(request(job(key))).asset
    assert asset is not None
    return asset.sha256


def judged(key: str, doubt: float | None, *, audit: bool = True, found: Sequence[str] = (), by: str = "") -> list[Said]:
    """A whole story whose verdict carries a doubt of wrong text; defects that were found make it a review."""
    said = accepted(job(key))
    _, verdict = said.pop()
    assert isinstance(verdict, AssetApproved)
    defects = tuple(
        Defect(mode=mode, check=by or "text", value=1, threshold=0, evidence="seen", certain=False) for mode in found
    )
    judgement = Judgement(
        verdict=Verdict.REVIEW if found else Verdict.ACCEPT,
        defects=defects,
        scores={"text": 1.0} if doubt is None else {"text": 1.0, "doubt.wrong-text": doubt},
        reasons=("because",),
        audit=audit,
        ruleset_id=verdict.judgement.ruleset_id,
    )
    if not found:
        return [*said, (DESIGN_QUEUE, replace(verdict, judgement=judgement))]
    review = ReviewRequested(
        event_id=verdict.event_id,
        at_ms=verdict.at_ms,
        request=verdict.request,
        rendering=verdict.rendering,
        judgement=judgement,
    )
    return [*said, (REVIEW, review)]


def labelled(key: str, *defects: str, who: str = "Ada", at_ms: int = START_MS) -> Said:
    one = job(key)
    event = AssetLabelled(
        event_id=ids.event_id(one.job_id, "label", f"{who} {at_ms}"),
        at_ms=at_ms,
        job_id=one.job_id,
        asset_sha256=asset_of(key),
        source=LabelSource.AUDIT,
        defects=defects,
        who=who,
    )
    return LABELS, event


def touched(key: str, defect: str) -> Said:
    one = job(key)
    event = TouchUpReported(
        event_id=ids.event_id(one.job_id, "touch", defect),
        at_ms=START_MS,
        job_id=one.job_id,
        asset_sha256=asset_of(key),
        minutes=5,
        defect=defect,
        who="Bo",
    )
    return "touch-ups", event


def written(dsn: str, said: Sequence[Said]) -> psycopg.Connection:
    conn = open_ledger(dsn)
    records = fetched(said)
    for start in range(0, len(records), 500):
        fill(conn, records[start : start + 500])
    return conn


@pytest.fixture
def conn(database: str) -> Iterator[Callable[[Sequence[Said]], psycopg.Connection]]:
    opened: list[psycopg.Connection] = []

    def make(said: Sequence[Said]) -> psycopg.Connection:
        opened.append(written(database, said))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def presscheck(dsn: str, folder: Path, arguments: Sequence[str], **more: str) -> Result:
    environment = {"PRESSCHECK_DATABASE_URL": dsn, "PRESSCHECK_STATE_DIR": str(folder), **more}
    return CliRunner().invoke(app, list(arguments), env=environment)


def printed(result: Result) -> Any:
    assert result.stdout, result.output
    return json.loads(result.stdout)


def test_the_newest_word_of_each_person_counts_and_hand_work_always(conn: Callable[..., psycopg.Connection]):
    opened = conn(
        [
            *judged("a", 0.1),
            *judged("b", 0.1),
            labelled("a", WRONG),
            labelled("a", at_ms=START_MS + 1),
            labelled("a", "anatomy", who="Bo"),
            touched("b", "other"),
        ]
    )
    truths = opened.execute("SELECT asset_sha256, looked, defects FROM truths").fetchall()
    assert {(a, looked, tuple(d)) for a, looked, d in truths} == {
        (asset_of("a"), True, ("anatomy",)),
        (asset_of("b"), False, ("other",)),
    }


def test_what_the_audit_wants_comes_in_pages_until_it_is_labelled(database: str, tmp_path: Path):
    keys = [f"w{n}" for n in range(5)]
    said = [s for key in keys for s in judged(key, 0.1)]
    with written(database, [*said, *judged("not drawn", 0.1, audit=False), labelled("w4")]):
        pass
    first = printed(presscheck(database, tmp_path, ["label", "--wanted", "--limit", "3", "--json"]))
    after = ["label", "--wanted", "--limit", "3", "--json", "--after", first["next"]]
    rest = printed(presscheck(database, tmp_path, after))
    assert {w["asset_sha256"] for w in first["wanted"] + rest["wanted"]} == {asset_of(k) for k in keys[:4]}
    assert (len(first["wanted"]), rest["next"]) == (3, None)
    other = ["label", "--wanted", "--lane", "exploratory"]
    assert presscheck(database, tmp_path, other).stdout.strip() == "no label is wanted"
    assert "critical" in presscheck(database, tmp_path, ["label", "--wanted"]).stdout
    odd = presscheck(database, tmp_path, ["label", "--wanted", "--after", "here"])
    assert "is no place in the list" in str(odd.exception)


def test_agreement_is_what_one_calculates_by_hand(
    conn: Callable[..., psycopg.Connection], database: str, tmp_path: Path
):
    """20 found and confirmed, 5 found alone, 10 missed, 15 neither."""
    said: list[Said] = []
    for n in range(50):
        found = n < 25
        there = n < 20 or 25 <= n < 35
        said += judged(f"k{n}", None, audit=n % 2 == 0, found=[WRONG] if found else ())
        said.append(labelled(f"k{n}", *([WRONG] if there else [])))
    found = labels.agreement(conn(said), EVERYTHING)
    assert agreement.tables(found, sampled_only=False) == {
        WRONG: {
            "passed": Table(both=0, found_only=0, said_only=10, neither=15),
            "review": Table(both=20, found_only=5, said_only=0, neither=0),
        }
    }
    # Reviews are to be looked at anyway; of what passed, every second one was drawn.
    assert {k: t.total for k, t in agreement.tables(found, sampled_only=True)[WRONG].items()} == {
        "passed": 12, "review": 25,
    }  # fmt: skip
    report = printed(presscheck(database, tmp_path, ["report", "--json"]))
    facts = report["agreement"]
    assert report["sampling"] == [
        {"stratum": "passed", "judged": 25, "drawn": 12, "looked_at": 12},
        {"stratum": "review", "judged": 25, "drawn": 25, "looked_at": 25},
    ]
    # Of what passed, 5 of the 12 that were looked at are wrong: 25 times that were missed, beside 20 that were found.
    assert (facts[1]["assets"], facts[1]["said_only"]) == ("stream", 5)
    assert facts[1]["recall"]["value"] == pytest.approx(20 / (20 + 25 * 5 / 12))
    assert "Wilson" in report["agreement_method"]
    assert facts[0]["precision"]["value"] == pytest.approx(0.8)
    assert facts[0]["recall"]["value"] == pytest.approx(2 / 3)
    # p_o = 0.7, p_e = 0.5; variance by Fleiss, Cohen and Everitt: (0.10972 + 0.10188 - 0.01) / (50 * 0.25).
    assert facts[0]["kappa"]["value"] == pytest.approx(0.4)
    assert facts[0]["kappa"]["high"] - 0.4 == pytest.approx(1.959964 * 0.016128**0.5, abs=1e-5)
    shown = presscheck(database, tmp_path, ["report"], COLUMNS="200").stdout
    assert "agreement with people" in shown
    assert "0.80 (0.61–0.91)" in shown
    assert "passed: 25 judged, 12 of them for a person, who looked at 12" in shown


def test_touch_ups_count_and_a_replay_counts_once(conn: Callable[..., psycopg.Connection]):
    opened = conn([*judged("a", None), *judged("b", None, found=["other"]), touched("a", WRONG), touched("b", "other")])
    rows = labels.agreement(opened, EVERYTHING)
    found = agreement.tables(rows, sampled_only=False)
    assert {mode: sum(by.values(), Table()) for mode, by in found.items()} == {
        "other": Table(both=1, found_only=0, said_only=0, neither=1),
        WRONG: Table(both=0, found_only=0, said_only=1, neither=1),
    }
    # Hand work says nothing of what else is right, so it is no look at the sample.
    assert agreement.tables(rows, sampled_only=True) == {}


def test_an_approval_in_review_is_a_word_and_a_release_from_a_hold_is_none(conn: Callable[..., psycopg.Connection]):
    by_who = {"a": "Ada", "b": "release by Ada", "c": "Ada"}
    said: list[Said] = []
    for key, who in by_who.items():
        said += judged(key, None, audit=False, found=[WRONG])
        (_, approved) = judged(key, None, audit=False)[-1]
        assert isinstance(approved, AssetApproved)
        event_id = ids.event_id(approved.event_id, "person")
        said.append((DESIGN_QUEUE, replace(approved, event_id=event_id, approved_by=who, at_ms=START_MS + 60_000)))
    opened = conn([*said, labelled("c", WRONG, at_ms=START_MS + 90_000)])
    truths = opened.execute("SELECT asset_sha256, looked, defects FROM truths").fetchall()
    assert {(a, looked, tuple(d)) for a, looked, d in truths} == {
        (asset_of("a"), True, ()),
        (asset_of("c"), True, (WRONG,)),  # the newest word of the same person
    }
    assert [w.asset_sha256 for w in labels.wanted(opened, reviews=True)] == [asset_of("b")]


def sample(sound: int, wrong: int, waiting: int = 0, others: int = 200) -> list[Said]:
    """Audited assets with little doubt that are sound, ones with much that are wrong, and some of neither kind."""
    said: list[Said] = []
    for n in range(sound):
        said += [*judged(f"s{n}", 0.05 + 0.0004 * n), labelled(f"s{n}")]
    for n in range(wrong):
        said += [*judged(f"x{n}", 0.7, found=[WRONG], by="doubt"), labelled(f"x{n}", WRONG)]
    for n in range(waiting):
        said += judged(f"p{n}", 0.05)
    for n in range(others):
        said += judged(f"o{n}", 0.05 + 0.0004 * (n % 150) if n % 4 else 0.7, audit=False)
    return said


def test_doubts_are_counted_for_the_random_sample_alone(conn: Callable[..., psycopg.Connection]):
    opened = conn(
        [
            *sample(30, 10, waiting=3, others=8),
            *judged("only a review", 0.3, found=[WRONG]),
            labelled("only a review", WRONG),
            *judged("touched, drawn", 0.29),
            touched("touched, drawn", WRONG),
            *judged("touched for something else", 0.29),
            touched("touched for something else", "anatomy"),
            *judged("labelled, not drawn", 0.05, audit=False),
            labelled("labelled, not drawn", WRONG),
        ]
    )
    rows = labels.doubt_counts(opened, Sample())
    by_bucket = {r.bucket: (r.labelled, r.wrong, r.placing, r.waiting) for r in rows}
    assert {(r.lane, r.engine, r.mode) for r in rows} == {("critical", "simulator", WRONG)}
    assert by_bucket == {
        5: (25, 0, 3 + 6 + 1, 3), 6: (5, 0, 0, 0), 29: (1, 1, 1, 1), 70: (10, 10, 2, 0),
    }  # fmt: skip
    assert labels.doubt_counts(opened, Sample(mode="anatomy")) == ()
    assert labels.doubt_counts(opened, Sample(since_ms=START_MS + 10**9)) == ()
    assert {r.engine for r in labels.doubt_counts(opened, Sample(pooled=True))} == {"*"}
    escaped = {e.mode: (e.labelled, e.wrong, e.unscored) for e in labels.escapes(opened, Sample())}
    assert escaped == {None: (32, 2, 0), WRONG: (32, 1, 0), "anatomy": (32, 1, 1)}
    assert {e.mode for e in labels.escapes(opened, Sample(mode=WRONG))} == {None, WRONG}


def test_calibrate_finds_the_threshold_and_writes_a_candidate_that_holds(
    conn: Callable[..., psycopg.Connection], database: str, tmp_path: Path
):
    conn(sample(150, 30))
    out, plot = tmp_path / "candidate", tmp_path / "risk.svg"
    command = ["calibrate", "--alpha", "0.05", "--delta", "0.1", "--json"]
    result = presscheck(database, tmp_path, [*command, "--out", str(out), "--plot", str(plot)])
    assert result.exit_code == 0, result.output
    facts = printed(result)
    (cell,) = facts["cells"]
    assert (cell["standing"], cell["accept_below"], cell["labelled"]) == ("bounded", 0.7, 180)
    assert (cell["accepted"], cell["wrong"], cell["missing"]) == (150, 0, 0)
    assert cell["upper"] == pytest.approx(1 - 0.1 ** (1 / 150))
    assert plot.read_text().startswith("<svg")
    checked = presscheck(database, tmp_path, ["rules", "check", "--config", str(out)])
    assert (checked.exit_code, facts["candidate_id"][:12] in checked.stdout) == (0, True)
    candidate = load_ruleset({p.relative_to(out).as_posix(): p.read_text() for p in out.rglob("*.yml")})
    (entry,) = candidate.thresholds.acceptance.calibrated.values()
    assert (entry.engine, entry.mode, entry.accept_below, entry.fitted_on) == (
        "simulator", WRONG, 0.7, facts["ruleset_id"],
    )  # fmt: skip
    twice = presscheck(database, tmp_path, [*command, "--out", str(out)])
    assert "is there already" in str(twice.exception)
    table = presscheck(
        database, tmp_path, ["calibrate", "--alpha", "0.05", "--delta", "0.1", "--jointly"], COLUMNS="160"
    )
    assert (table.exit_code, "bounded" in table.stdout, "what is accepted now" in table.stdout) == (0, True, True)


def test_calibrate_says_how_many_labels_are_missing(
    conn: Callable[..., psycopg.Connection], database: str, tmp_path: Path
):
    conn(sample(20, 0, waiting=4))
    result = presscheck(database, tmp_path, ["calibrate", "--json", "--pool-engines", "--window", "2000-01-01"])
    assert result.exit_code == 1
    (cell,) = printed(result)["cells"]
    assert (cell["engine"], cell["standing"], cell["waiting"]) == ("*", "open", 4)
    assert cell["missing"] == 299 - 20
    out = tmp_path / "unchanged"
    told = presscheck(database, tmp_path, ["calibrate", "--out", str(out)], COLUMNS="160").stdout
    assert "4 drawn assets have no label yet" in told
    assert "0 of 20, at most 13.91%" in told
    assert "calibrated: []" in (out / "verdict.yml").read_text()
    assert "1 of 1 lines are open, for want of up to 279 labels each" in told
    for wrong, what in (
        (["--alpha", "2"], "--alpha is 2; want 0.0001 to 0.5"),
        (["--tighter", "0.02"], "want a smaller rate than --alpha"),
        (["--window", "fortnight"], "neither a span"),
        (["--engine", "simulater"], "did you mean 'simulator'?"),
        (["--defect", "wrong-txt"], "did you mean 'wrong-text'?"),
        (["--plot", str(tmp_path / "none" / "risk.svg")], "is no folder"),
    ):
        refused = presscheck(database, tmp_path, ["calibrate", *wrong]).exception
        assert (isinstance(refused, BadConfig), what in str(refused)) == (True, True), refused
    assert presscheck(database, tmp_path, ["calibrate", "--lane", "exploratory"]).exit_code == 1


def test_of_one_class_alone_a_calibration_still_says_what_is_so(
    conn: Callable[..., psycopg.Connection], database: str, tmp_path: Path
):
    """All sound: all may pass. All wrong: nothing may, and the candidate says so."""
    conn(sample(60, 0))
    command = ["calibrate", "--alpha", "0.05", "--delta", "0.1", "--json"]
    (cell,) = printed(presscheck(database, tmp_path, command))["cells"]
    assert (cell["standing"], cell["accept_below"]) == ("bounded", 1.0)
    conn([labelled(f"s{n}", WRONG, who="Bo") for n in range(60)])
    out = tmp_path / "strict"
    result = presscheck(database, tmp_path, [*command, "--out", str(out)])
    (cell,) = printed(result)["cells"]
    assert (result.exit_code, cell["standing"], cell["accept_below"]) == (1, "over", 0.0)
    assert "mode: wrong-text, accept_below: 0," in (out / "verdict.yml").read_text()


def test_where_the_database_is_away_one_line_says_so(tmp_path: Path):
    for command in (["calibrate"], ["report"], ["label", "--wanted"]):
        result = presscheck("postgresql://nobody@127.0.0.1:1/none", tmp_path, command)
        assert isinstance(result.exception, Transient)
        assert "Postgres does not answer" in str(result.exception)


def test_a_page_of_pictures_to_label_on(database: str, tmp_path: Path):
    """It holds what the store has, says what it has not, sways nobody, and its lines name the asset for certain."""
    with written(database, [*judged("a", 0.1), *judged("b", 0.1, found=["anatomy"])]):
        pass
    page, store = tmp_path / "sheet.html", f"file://{tmp_path}/store"
    command = ["label", "--wanted", "--sheet", str(page), "--json"]
    (one, two) = printed(presscheck(database, tmp_path, command, PRESSCHECK_STORE_URL=store))["wanted"]
    assert one["picture"] == f"{store}/artifacts/{one['asset_sha256'][:2]}/{one['asset_sha256']}"
    text = page.read_text()
    assert f'data-target="{one["job_id"]}/{one["asset_sha256"]}"' in text
    assert "is not in file://" in text
    assert all(word not in text for word in ("review", "simulator"))
    assert 'value="wrong-text"' in text
    assert two["verdict"] == "review"
    waiting = printed(presscheck(database, tmp_path, ["label", "--reviews", "--json"]))["wanted"]
    assert [w["asset_sha256"] for w in waiting] == [asset_of("b")]
    refused = presscheck(database, tmp_path, ["label", "--wanted", "--sheet", str(tmp_path / "none" / "x.html")])
    assert "is no folder" in str(refused.exception)


@pytest.fixture
def stack(settings: Settings, database: str) -> Mapping[str, str]:
    ensure_topics(settings, [])
    return {"PRESSCHECK_KAFKA_BOOTSTRAP": settings.kafka_bootstrap}


def test_a_label_travels_from_the_command_to_the_projection(
    stack: Mapping[str, str], settings: Settings, database: str, tmp_path: Path, unique: Callable[[str], str]
):
    keys = [unique(f"label{n}") for n in range(4)]
    said = [s for key in keys for s in judged(key, 0.1, audit=key != keys[1])]
    with written(database, said) as conn:

        def say(*arguments: str) -> Result:
            return presscheck(database, tmp_path, ["label", *arguments], **stack)

        one = printed(say(job(keys[0]).job_id, "--defect", WRONG, "--defect", "other", "--who", "Ada", "--json"))
        assert (one["labels"][0]["source"], one["labels"][0]["defects"]) == ("audit", [WRONG, "other"])
        assert say(asset_of(keys[1])[:12], "--sound").exit_code == 0
        lines = tmp_path / "labels.jsonl"
        lines.write_text(
            json.dumps({"target": asset_of(keys[2]), "defects": ["anatomy"], "who": "Bo", "why": "six fingers"})
            + "\n\n"
            + json.dumps({"target": job(keys[3]).job_id, "defects": []})
        )
        assert "anatomy" in say("--from", str(lines), "--who", "Cy").stdout
        both = f"{job(keys[0]).job_id}/{asset_of(keys[0])[:12]}"
        mended = say(both, "--defect", "colour-drift", "--touched", "7.5", "--who", "Di").stdout
        assert "7.5 minutes of hand work for colour-drift" in mended

        for arguments, told in (
            ((keys[0], "--sound"), "neither a job id nor"),
            ((job(keys[0]).job_id, "--defect", "wrong-txt"), "did you mean 'wrong-text'?"),
            (("0" * 64, "--sound"), "was judged yet"),
            ((job("nobody's").job_id, "--sound"), "no asset of job"),
            ((f"{job(keys[0]).job_id}/{'0' * 8}", "--sound"), "no asset of job"),
            ((job(keys[0]).job_id, "--defect", WRONG, "--touched", "5", "--why", "x"), "belong to one defect"),
            ((job(keys[0]).job_id, "--defect", WRONG, "--touched", "-5"), "want 0 to 10000"),
        ):
            refused = say(*arguments)
            assert (refused.exit_code, told in refused.output) == (2, True), refused.output
        lines.write_text('{"target": "x"}\n{"targt": "x", "defects": []}\n[]\nnonsense\n')
        refused = say("--from", str(lines))
        assert (refused.exit_code, "4 of 4 labels are wrong" in refused.output) == (2, True)

        stop = threading.Event()
        live = settings.model_copy(update={"database_url": SecretStr(database)})
        sink = threading.Thread(target=run, args=(live, stop), kwargs={"refresh_s": 0.1})
        sink.start()
        try:
            mine = {job(k).job_id for k in keys}
            waiter = threading.Event()
            rows: list[tuple[Any, ...]] = []
            touched: list[tuple[Any, ...]] = []
            for _ in range(1200):
                rows = conn.execute("SELECT job_id::text, source, defects, who FROM labels").fetchall()
                touched = conn.execute(
                    "SELECT minutes, defect, who FROM touch_ups WHERE job_id = %s", (job(keys[0]).job_id,)
                ).fetchall()
                if len({r[0] for r in rows} & mine) == len(mine) and touched:
                    break
                waiter.wait(0.05)
        finally:
            stop.set()
            sink.join(30)
    assert touched == [(7.5, "colour-drift", "Di")]
    by_job = {r[0]: r[1:] for r in rows if r[0] in mine}
    assert by_job[job(keys[0]).job_id] == ("audit", [WRONG, "other"], "Ada")
    assert by_job[job(keys[1]).job_id][:2] == ("reviewer", [])
    assert by_job[job(keys[2]).job_id] == ("audit", ["anatomy"], "Bo")
    assert by_job[job(keys[3]).job_id][2] == "Cy"


def test_what_contradicts_itself_is_wrong_use(tmp_path: Path):
    for arguments in (
        [],
        ["a" * 64, "--wanted"],
        ["a" * 64],
        ["a" * 64, "--sound", "--defect", WRONG],
        ["--from", "x.jsonl", "--sound"],
        ["--from", "x.jsonl", "--touched", "5"],
        ["--wanted", "--reviews"],
        ["a" * 64, "--sound", "--sheet", "x.html"],
        ["--from", str(tmp_path / "none.jsonl")],
    ):
        result = presscheck("", tmp_path, ["label", *arguments])
        assert "Config" in type(result.exception).__name__, arguments
