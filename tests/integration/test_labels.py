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
from ops import agreement
from ops.agreement import Table
from ops.cli import app
from rules.ruleset import load_ruleset
from schemas import ids
from schemas.catalogue import DESIGN_QUEUE, LABELS, REVIEW
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
    assert agreement.tables(found, audited_only=False) == {
        WRONG: Table(both=20, found_only=5, said_only=10, neither=15)
    }
    assert agreement.tables(found, audited_only=True)[WRONG].total == 25
    facts = printed(presscheck(database, tmp_path, ["report", "--json"]))["agreement"]
    assert facts[0]["precision"]["value"] == pytest.approx(0.8)
    assert facts[0]["recall"]["value"] == pytest.approx(2 / 3)
    # p_o = 0.7, p_e = 0.5; variance by Fleiss, Cohen and Everitt: (0.10972 + 0.10188 - 0.01) / (50 * 0.25).
    assert facts[0]["kappa"]["value"] == pytest.approx(0.4)
    assert facts[0]["kappa"]["high"] - 0.4 == pytest.approx(1.959964 * 0.016128**0.5, abs=1e-5)
    shown = presscheck(database, tmp_path, ["report"], COLUMNS="200").stdout
    assert "agreement with people" in shown
    assert "0.80 (0.61–0.91)" in shown


def test_touch_ups_count_and_a_replay_counts_once(conn: Callable[..., psycopg.Connection]):
    opened = conn([*judged("a", None), *judged("b", None, found=["other"]), touched("a", WRONG), touched("b", "other")])
    found = agreement.tables(labels.agreement(opened, EVERYTHING), audited_only=False)
    assert found == {
        "other": Table(both=1, found_only=0, said_only=0, neither=1),
        WRONG: Table(both=0, found_only=0, said_only=1, neither=1),
    }


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
    (escaped,) = labels.escapes(opened, Sample())
    assert (escaped.labelled, escaped.wrong) == (32, 2)


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
    for wrong in (["--alpha", "2"], ["--window", "fortnight"]):
        assert presscheck(database, tmp_path, ["calibrate", *wrong]).exception is not None
    assert presscheck(database, tmp_path, ["calibrate", "--lane", "exploratory"]).exit_code == 1


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

        for arguments, told in (
            ((keys[0], "--sound"), "neither a job id nor"),
            ((job(keys[0]).job_id, "--defect", "wrong-txt"), "did you mean 'wrong-text'?"),
            (("0" * 64, "--sound"), "there is no asset"),
            ((job("nobody's").job_id, "--sound"), "no asset of job"),
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
            for _ in range(1200):
                rows = conn.execute("SELECT job_id::text, source, defects, who FROM labels").fetchall()
                if len({r[0] for r in rows} & mine) == len(mine):
                    break
                waiter.wait(0.05)
        finally:
            stop.set()
            sink.join(30)
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
        ["--from", str(tmp_path / "none.jsonl")],
    ):
        result = presscheck("", tmp_path, ["label", *arguments])
        assert "Config" in type(result.exception).__name__, arguments
