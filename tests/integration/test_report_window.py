"""The report of a window against the one before, for stories whose figures are known; and its page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from audit.windows import Window
from ops.cli import app
from ops.reports.window import compared_to, look, window_of
from schemas.errors import BadConfig
from schemas.events import AssetApproved, AssetRecalled, HoldChanged, HoldScope
from schemas.ids import event_id
from tests.integration.audit_ledger import fetched, fill, open_ledger
from tests.stories import RULESET, START_MS, accepted, job, rendering, request, reviewed

DAY_MS = 86_400_000
CLEAN, REPAIRED, REVIEWED = (job(f"w-{n}") for n in range(3))


@pytest.fixture(scope="module")
def dsn(postgres: str) -> Iterator[str]:
    """A ledger with three jobs of one second, a hold, and a recall of one of them."""
    name = "report_window"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # pyright: ignore[reportArgumentType, reportCallIssue]
    own = f"{postgres.rsplit('/', 1)[0]}/{name}"
    asset = rendering(request(CLEAN)).asset
    assert asset is not None
    told = accepted(CLEAN)
    approved = told[-1][1]
    assert isinstance(approved, AssetApproved)
    recall = AssetRecalled(
        event_id=event_id(CLEAN.job_id, "recall"), at_ms=START_MS + 5_000, job_id=CLEAN.job_id,
        approval_id=approved.event_id, asset_sha256=asset.sha256,
        defects=("wrong-logo",), ruleset_id=RULESET, who="ann", why="the old logo",
    )  # fmt: skip
    hold = HoldChanged(
        event_id=event_id("h", "set"), at_ms=START_MS + 4_000, hold_id="h", scope=HoldScope.CAMPAIGN,
        value="<spring>", active=True, who="ann", why="look first",
    )  # fmt: skip
    with open_ledger(own) as connection:
        said = [
            *told,
            *accepted(REPAIRED, rejects=2, engine="sd3.5-large", touch_up_minutes=30),
            *reviewed(REVIEWED),
            ("holds", hold),
            ("design-queue", recall),
        ]
        fill(connection, fetched(said))
    yield own
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # pyright: ignore[reportArgumentType, reportCallIssue]


def presscheck(dsn: str, folder: Path, arguments: Sequence[str]) -> Result:
    environment = {"PRESSCHECK_DATABASE_URL": dsn, "PRESSCHECK_STATE_DIR": str(folder)}
    return CliRunner().invoke(app, list(arguments), env=environment)


def test_the_figures_of_a_window(dsn: str):
    with psycopg.connect(dsn) as conn:
        side = look(conn, Window(from_ms=START_MS, to_ms=START_MS + 7 * DAY_MS), review_minutes=6)
        nothing = look(conn, Window(from_ms=START_MS - DAY_MS, to_ms=START_MS), review_minutes=6)
    facts = side.facts()
    groups = {(g["kind"], g["name"]): g for g in facts["groups"]}
    whole = groups["all", ""]
    assert (whole["rendered"], whole["accepted"], whole["artifact_rate"]) == (5, 2, 0.6)
    assert 0.2 < whole["artifact_rate_low"] < 0.6 < whole["artifact_rate_high"] < 0.9
    assert (whole["images_per_gpu_hour"], whole["images_per_engine_hour"]) == (None, pytest.approx(100))
    assert (whole["text_score"], whole["touch_minutes"], whole["cost_per_accepted_usd"]) == (1, 30, pytest.approx(0.1))
    assert groups["engine", "sd3.5-large"]["rendered"] == groups["engine", "simulator"]["rendered"] + 1 == 3
    assert groups["tag", "text"]["rendered"] == groups["lane", "critical"]["rendered"] == 5
    assert ("ruleset", RULESET) in groups
    stages = {s["stage"]: (s["records"], s["p50_ms"], s["p95_ms"]) for s in facts["stages"]}
    assert stages["render"] == stages["inspect"] == stages["validate"] == (5, 100, 100)
    assert stages["whole"] == (3, 400, 1_200)
    assert facts["manual"]["hours_per_week"] == pytest.approx(0.6)
    assert (facts["manual"]["recalls"], facts["manual"]["reviews"]) == (1, 1)
    assert [(p["rendered"], p["damaged"]) for p in facts["course"]] == [(5, 3)]
    assert [(o["kind"], o["step"]) for o in facts["operations"]] == [("hold", "holds campaign <spring>")]
    assert nothing.groups == ()


def test_a_recalled_job_says_so(dsn: str):
    with psycopg.connect(dsn) as conn:
        states = dict(conn.execute("SELECT state, count(*) FROM runs GROUP BY state").fetchall())
    assert states == {"recalled": 1, "approved": 1, "review": 1}


class Sources(HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [v or "" for k, v in attrs if k in {"src", "href"}] + ([tag] if tag in {"script", "link"} else [])

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_command_prints_compares_and_draws(dsn: str, tmp_path: Path):
    window = "2025-06-15..2025-06-16"
    shown = presscheck(dsn, tmp_path, ["report", "--window", window, "--compare-to", "7d-before"])
    assert shown.exit_code == 0, shown.output
    assert "60.0% (23.1% to 88.2%)" in shown.stdout
    page = tmp_path / "report.html"
    given = ["report", "--window", window, "--compare-to", window, "--html", str(page), "--json"]
    found: Any = json.loads(presscheck(dsn, tmp_path, given).stdout)
    assert found["now"] == found["before"]
    seen = Sources()
    seen.feed(page.read_text(encoding="utf-8"))
    assert seen.found == []
    assert "holds campaign <spring>" in seen.texts
    assert page.read_text(encoding="utf-8").count("<svg") == 2
    empty = tmp_path / "empty.html"
    assert presscheck(dsn, tmp_path, ["report", "--window", "1h", "--html", str(empty)]).exit_code == 0
    assert "Nothing was rendered" in empty.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--window", "soon"],
        ["--window", "0d"],
        ["--window", "2026-05-02..2026-05-01"],
        ["--window", "7d", "--compare-to", "then-before"],
        ["--window", "7d", "--since", "1h"],
        ["--html", "x.html"],
    ],
)
def test_what_is_no_window_is_wrong_use(dsn: str, tmp_path: Path, wrong: list[str]):
    result = presscheck(dsn, tmp_path, ["report", *wrong])
    assert isinstance(result.exception, BadConfig)


def test_windows_are_spans_or_times():
    week = window_of("7d", 10 * DAY_MS)
    assert week == Window(from_ms=3 * DAY_MS, to_ms=10 * DAY_MS)
    assert compared_to("2d-before", week) == Window(from_ms=DAY_MS, to_ms=3 * DAY_MS)
    assert window_of("1970-01-02..1970-01-03T00:00+00:00", 0) == Window(from_ms=DAY_MS, to_ms=2 * DAY_MS)
