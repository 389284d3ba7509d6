"""Percentiles, counts, and canned answers that the rules judge like any other."""

from pathlib import Path

from ops.bench.null_worker import inspection, rendering
from ops.bench.path_figures import WHOLE, ends, latencies, latency
from ops.rulesets.publish import read_config
from rules.verdict import judge
from schemas.catalogue import DESIGN_QUEUE, PROMPTS, REVIEW
from schemas.events import Verdict
from tests.stories import job, request

ROOT = Path(__file__).parents[3]


def test_percentiles_are_by_nearest_rank():
    found = latency([n / 1000 for n in range(1, 101)])
    assert found is not None
    assert (found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms) == (50, 95, 99, 100)
    assert latency([]) is None


def test_a_job_that_did_not_arrive_has_no_latency():
    found = latencies([{PROMPTS: 0.0, DESIGN_QUEUE: 0.25}, {PROMPTS: 0.0}])
    assert set(found) == {WHOLE}
    assert found[WHOLE].max_ms == 250


def test_lost_doubled_and_stray_jobs_are_counted():
    counted = ends(["a", "b", "c"], ["a", "b", "b"], {REVIEW: 1})
    assert (counted.sent, counted.arrived, counted.lost, counted.twice) == (3, 2, 1, 1)
    assert counted.elsewhere == {REVIEW: 1}
    assert not counted.clean
    assert ends(["a"], ["a"], {REVIEW: 0}).clean


def test_what_costs_nothing_is_accepted_by_the_rules_in_force_but_not_where_text_was_wanted():
    ruleset = read_config(ROOT / "config")
    wanted = request(job("a"))
    seen = judge(inspection(wanted, ruleset), rendering(wanted), wanted, ruleset)
    assert seen.verdict is not Verdict.ACCEPT
