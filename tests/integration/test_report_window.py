"""The report of a window against the one before, for stories whose figures are known; and its page."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from statistics import mean
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from audit.windows import Window
from ops.cli import app
from ops.reports.window import compared_to, look, window_of
from schemas.catalogue import DESIGN_QUEUE, IMAGES_GENERATED, IMAGES_INSPECTED, REVIEW, TOUCH_UPS, render_topic
from schemas.errors import BadConfig
from schemas.events import (
    AssetApproved,
    AssetRecalled,
    AssetRejected,
    Event,
    HoldChanged,
    HoldScope,
    ImageGenerated,
    ImageInspected,
    Lane,
    RenderRequested,
    ReviewRequested,
    Tag,
    Verdict,
)
from schemas.ids import event_id
from tests.integration.audit_ledger import fetched, fill, open_ledger
from tests.stories import (
    RULESET,
    START_MS,
    STEP_MS,
    Said,
    accepted,
    inspection,
    job,
    judgement,
    refused,
    rendering,
    request,
    reviewed,
    submitted,
    touch_up,
)

DAY_MS = 86_400_000
CLEAN, REPAIRED, REVIEWED = (job(f"w-{n}") for n in range(3))
WINDOW, FORMER = "2025-06-15..2025-06-16", "2025-06-12..2025-06-13"
FORMER_MS = START_MS - 3 * DAY_MS
NEW = hashlib.sha256(b"new").hexdigest()
WORKED = (RenderRequested, ImageGenerated, ImageInspected, AssetRejected, AssetApproved)
GPU, CPU = "sd3.5-large", "typeset"


@dataclass(frozen=True)
class Drawn:
    """The n-th job that an engine drew in the former window, once, and what is known of it; times in ms."""

    engine: str
    n: int

    @property
    def times(self) -> Mapping[str, int]:
        render, inspect, validate = (100, 10, 1) if self.engine == GPU else (1000, 20, 2)
        took = {"render": render * self.n, "inspect": inspect * self.n, "validate": validate * self.n}
        return {**took, "whole": STEP_MS + sum(took.values())}

    @property
    def lane(self) -> Lane:
        return Lane.CRITICAL if self.n % 2 else Lane.EXPLORATORY

    @property
    def ruleset(self) -> str:
        return RULESET if self.n <= 10 else NEW

    @property
    def tags(self) -> tuple[str, ...]:
        return ("layout", "text") if self.n % 4 == 0 else ("text",)

    @property
    def damaged(self) -> bool:
        return self.n % (5 if self.engine == GPU else 10) == 0

    @property
    def engine_ms(self) -> float:
        return 18_000 if self.engine == GPU else 3_600

    @property
    def cost_usd(self) -> float:
        return 0.04 if self.engine == GPU else 0.009

    @property
    def text_score(self) -> float:
        return 0.1 if self.damaged else 0.75 if self.engine == GPU else 1.0

    @property
    def touch_minutes(self) -> float:
        return {(GPU, 1): 12, (GPU, 2): 18, (CPU, 1): 6}.get((self.engine, self.n), 0)

    def places(self) -> Iterable[tuple[str, str]]:
        return (
            ("all", ""),
            ("engine", self.engine),
            ("lane", self.lane.value),
            ("ruleset", self.ruleset),
            *(("tag", t) for t in self.tags),
        )

    def said(self) -> list[Said]:
        """Submission, request, image, measurements, verdict; and a touch-up."""
        of = replace(job(f"{self.engine}-{self.n}"), lane=self.lane, submitted_at_ms=FORMER_MS)
        tags = tuple(Tag(name=t, start=0, end=1, evidence="A") for t in self.tags)
        asked = replace(request(of, engine=self.engine), ruleset_id=self.ruleset, tags=tags)
        device = "cuda:0" if self.engine == GPU else "cpu"
        done = replace(rendering(asked), device=device, engine_ms=self.engine_ms, cost_usd=self.cost_usd)
        verdict = Verdict.REVIEW if self.damaged else Verdict.ACCEPT
        judged = replace(judgement(verdict), scores={"text": self.text_score})
        at_ms = FORMER_MS + STEP_MS
        said: list[Said] = [
            submitted(of),
            (
                render_topic(self.engine, self.lane),
                RenderRequested(event_id=event_id(of.job_id, "sanity"), at_ms=at_ms, request=asked),
            ),
        ]
        at_ms += self.times["render"]
        image = ImageGenerated(event_id=event_id(of.job_id, "render"), at_ms=at_ms, request=asked, rendering=done)
        at_ms += self.times["inspect"]
        seen = ImageInspected(
            event_id=event_id(of.job_id, "inspect"), at_ms=at_ms, request=asked, rendering=done, inspection=inspection()
        )
        at_ms += self.times["validate"]
        end_id = event_id(of.job_id, "validation")
        said += [(IMAGES_GENERATED, image), (IMAGES_INSPECTED, seen)]
        if self.damaged:
            review = ReviewRequested(event_id=end_id, at_ms=at_ms, request=asked, rendering=done, judgement=judged)
            return [*said, (REVIEW, review)]
        approved = AssetApproved(
            event_id=end_id, at_ms=at_ms, request=asked, rendering=done, judgement=judged, approved_by="validation"
        )
        said.append((DESIGN_QUEUE, approved))
        if self.touch_minutes:
            said.append((TOUCH_UPS, replace(touch_up(asked, self.touch_minutes), at_ms=FORMER_MS + 60_000)))
        return said


DRAWN = [Drawn(engine, n) for engine in (GPU, CPU) for n in range(1, 21)]


@pytest.fixture(scope="module")
def dsn(postgres: str) -> Iterator[str]:
    """A ledger with three jobs of one second, a hold, and a recall of one of them; and 40 jobs of three days before."""
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
            *(record for one in DRAWN for record in one.said()),
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
    stages = of_stages(facts["stages"])
    assert stages == of_stages(whole["stages"])
    assert stages["render"] == stages["inspect"] == stages["validate"] == (5, 100, 100)
    assert stages["whole"] == (3, 400, 1_200)
    # Three attempts of one job: each has its times, and the job one.
    repaired = of_stages(groups["engine", GPU]["stages"])
    assert (repaired["render"], repaired["whole"]) == ((3, 100, 100), (1, 1_200, 1_200))
    assert facts["manual"]["hours_per_week"] == pytest.approx(0.6)
    assert (facts["manual"]["recalls"], facts["manual"]["reviews"]) == (1, 1)
    assert [(p["rendered"], p["damaged"]) for p in facts["course"]] == [(5, 3)]
    assert [(o["kind"], o["step"]) for o in facts["operations"]] == [("hold", "holds campaign <spring>")]
    assert (nothing.groups, nothing.stages) == ((), ())


def of_stages(found: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, int, int]]:
    return {s["stage"]: (s["records"], s["p50_ms"], s["p95_ms"]) for s in found}


@pytest.fixture(scope="module")
def former(dsn: str) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """The figures of the former day's groups."""
    with psycopg.connect(dsn) as conn:
        side = look(conn, window_of(FORMER, 0), review_minutes=6)
    return {(g["kind"], g["name"]): g for g in side.facts()["groups"]}


def nearest(values: Sequence[int], percent: int) -> int:
    """Nearest rank: the smallest value that so many percent do not exceed."""
    return sorted(values)[math.ceil(percent * len(values) / 100) - 1]


def test_each_stage_took_what_it_took_by_engine_ruleset_tag_and_lane(
    former: Mapping[tuple[str, str], Mapping[str, Any]],
):
    expected: dict[tuple[str, str], dict[str, tuple[int, int, int]]] = {}
    for place in {p for d in DRAWN for p in d.places()}:
        times = [d.times for d in DRAWN if place in d.places()]
        took = {stage: [t[stage] for t in times] for stage in times[0]}
        expected[place] = {k: (len(v), nearest(v, 50), nearest(v, 95)) for k, v in took.items()}
    assert {place: of_stages(found["stages"]) for place, found in former.items()} == expected
    # The tenth and the nineteenth of twenty.
    assert of_stages(former["engine", GPU]["stages"]) == {
        "render": (20, 1_000, 1_900), "inspect": (20, 100, 190), "validate": (20, 10, 19), "whole": (20, 1_210, 2_209),
    }  # fmt: skip
    assert of_stages(former["engine", CPU]["stages"]) == {
        "render": (20, 10_000, 19_000), "inspect": (20, 200, 380), "validate": (20, 20, 38),
        "whole": (20, 10_320, 19_518),
    }  # fmt: skip


def test_a_repaired_run_counts_for_its_first_engine_and_a_refused_one_over_all(database: str):
    def repaired_elsewhere(event: Event) -> Event:
        if isinstance(event, WORKED) and event.request.attempt:
            return replace(event, request=replace(event.request, engine=CPU))
        return event

    said = [(topic, repaired_elsewhere(e)) for topic, e in accepted(job("two"), rejects=1, engine=GPU)]
    with open_ledger(database) as conn:
        fill(conn, fetched([*said, *refused(job("none"))]))
        side = look(conn, window_of(WINDOW, 0), review_minutes=0)
    times = {(s.kind, s.name, s.stage): (s.records, s.p50_ms, s.p95_ms) for s in side.stages}
    assert times["engine", CPU, "render"] == times["engine", GPU, "render"] == (1, 100, 100)
    assert times["engine", GPU, "whole"] == (1, 800, 800)
    assert ("engine", CPU, "whole") not in times
    assert times["all", "", "whole"] == (2, 100, 800)
    assert {s.name for s in side.stages if s.kind == "lane"} == {"critical"}


def test_images_per_gpu_hour_leave_out_what_was_drawn_on_a_processor(
    former: Mapping[tuple[str, str], Mapping[str, Any]],
):
    """20 images of 18 s on cuda:0 beside 20 images of 3.6 s on the CPU."""
    per_gpu, per_engine = (
        {k: former[k][f] for k in (("all", ""), ("engine", GPU), ("engine", CPU))}
        for f in ("images_per_gpu_hour", "images_per_engine_hour")
    )
    assert per_gpu == {("all", ""): pytest.approx(200), ("engine", GPU): pytest.approx(200), ("engine", CPU): None}
    assert [round(v, 6) for v in per_engine.values()] == [round(40 * 3600 / (20 * 18 + 20 * 3.6), 6), 200, 1000]


def test_every_group_has_its_own_figures(former: Mapping[tuple[str, str], Mapping[str, Any]]):
    assert former.keys() == {p for d in DRAWN for p in d.places()}
    names = ("artifact_rate", "text_score", "cost_per_accepted_usd", "touch_minutes", "manual_hours_per_week")
    found = {place: [g[n] for n in names] for place, g in former.items()}
    for place, figures in found.items():
        mine = [d for d in DRAWN if place in d.places()]
        sound = [d for d in mine if not d.damaged]
        minutes = sum(d.touch_minutes for d in sound)
        reviews = len(mine) - len(sound)
        assert figures == [
            pytest.approx(reviews / len(mine)),
            pytest.approx(mean(d.text_score for d in sound)),
            pytest.approx(sum(d.cost_usd for d in mine) / len(sound)),
            minutes,
            pytest.approx((minutes + 6 * reviews) / 60 * 7),
        ], place
    assert found["engine", GPU] == pytest.approx([0.2, 0.75, 0.05, 30, 6.3])
    assert found["engine", CPU] == pytest.approx([0.1, 1.0, 0.01, 6, 2.1])
    assert found["ruleset", NEW] == pytest.approx([0.15, (8 * 0.75 + 9) / 17, 0.49 / 17, 0, 2.1])
    assert found["tag", "layout"] == pytest.approx([0.2, 7 / 8, 0.245 / 8, 0, 1.4])
    assert found["lane", "critical"] == pytest.approx([0.1, (8 * 0.75 + 10) / 18, 0.49 / 18, 18, 3.5])


def test_a_recalled_job_says_so(dsn: str):
    with psycopg.connect(dsn) as conn:
        states = dict(
            conn.execute(
                "SELECT state, count(*) FROM runs WHERE started_at_ms = %s GROUP BY state", (START_MS,)
            ).fetchall()
        )
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
    page = tmp_path / "report.html"
    given = ["report", "--window", WINDOW, "--compare-to", FORMER, "--review-minutes", "6"]
    shown = presscheck(dsn, tmp_path, [*given, "--html", str(page)])
    assert shown.exit_code == 0, shown.output
    lines = [re.split(r"  +", line.strip()) for line in shown.stdout.splitlines()]
    assert ["figure", "before", "now"] in lines
    assert ["Artifact rate (95 %)", "15.0% (7.1% to 29.1%)", "60.0% (23.1% to 88.2%)"] in lines
    assert ["Images per GPU-hour", "200", "–"] in lines
    assert ["p50 / p95, render", "1.90 / 18.00 s", "0.10 / 0.10 s"] in lines
    assert ["p50 / p95, end to end", "2.14 / 18.50 s", "0.40 / 1.20 s"] in lines
    assert ["Text score", "0.882", "1.000"] in lines
    assert ["Manual-touch hours a week", "8.40", "4.20"] in lines
    assert ["Cost per accepted image", "$0.0288", "$0.1000"] in lines
    heads = ["by", "name", "images", "before", "artifacts", "p95 s", "images/h", "text", "hands h/week", "$/accepted"]
    assert heads in lines
    assert [
        "engine", GPU, "3", "20.0% (8.1% to 41.6%)", "66.7% (20.8% to 93.9%)", "1.20", "100", "1.000", "3.50", "0.1200",
    ] in lines  # fmt: skip
    seen = Sources()
    seen.feed(page.read_text(encoding="utf-8"))
    assert seen.found == []
    assert page.read_text(encoding="utf-8").count("<svg") == 2
    assert "holds campaign <spring>" in seen.texts
    for row in (
        ["lane", "critical", "0.10 / 0.10", "0.10 / 0.10", "0.10 / 0.10", "1.99 / 17.47", "0.40 / 1.20"],
        ["ruleset", RULESET[:12], "0.10 / 0.10", "0.10 / 0.10", "0.10 / 0.10", "1.12 / 9.30", "0.40 / 1.20"],
        ["tag", "text", "0.10 / 0.10", "0.10 / 0.10", "0.10 / 0.10", "2.14 / 18.50", "0.40 / 1.20"],
    ):
        at = [n for n in range(len(seen.texts)) if seen.texts[n : n + 2] == row[:2]]
        assert row in [seen.texts[n : n + len(row)] for n in at]


def test_both_windows_are_in_the_data_for_programs(
    dsn: str, former: Mapping[tuple[str, str], Mapping[str, Any]], tmp_path: Path
):
    given = ["report", "--window", WINDOW, "--review-minutes", "6", "--json"]
    found: Any = json.loads(presscheck(dsn, tmp_path, [*given, "--compare-to", FORMER]).stdout)
    alone: Any = json.loads(presscheck(dsn, tmp_path, given).stdout)
    assert alone == {"now": found["now"], "before": None}
    assert {(g["kind"], g["name"]): g for g in found["before"]["groups"]} == former
    assert [found[w]["groups"][0]["artifact_rate"] for w in ("before", "now")] == pytest.approx([0.15, 0.6])
    assert [found[w]["manual"]["hours_per_week"] for w in ("before", "now")] == pytest.approx([8.4, 4.2])


def test_a_window_of_nothing_is_said(dsn: str, tmp_path: Path):
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
