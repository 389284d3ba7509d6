"""Rulesets by command on a real broker, and what-if and rejudge on records that lie there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from broker.admin import ensure_topics
from broker.broadcast import ACTIVE_KEY
from broker.embedded.kafka import EmbeddedKafka
from broker.settings import ENDPOINTS_FILE, Settings
from ops.log_range import Bound, find_range
from ops.ruleset_topic import ACTIVATED_KEY, read_topic
from ops.rulesets import activate, publish, roll_back
from ops.what_if import compare, total
from rules.ruleset import load_ruleset
from schemas import ids
from schemas.catalogue import IMAGES_INSPECTED, PROMPTS
from schemas.codec import Codec, LockedIds
from schemas.errors import BadConfig
from schemas.events import ImageInspected
from tests.integration.streams_support import send
from tests.unit.rules import samples

ROOT = Path(__file__).parents[2]
CODEC = Codec(LockedIds())
SHORTER = load_ruleset(samples.changed("sanity.yml", "prompt_max_chars: 4000", "prompt_max_chars: 40"))
STRICTER = load_ruleset(samples.changed("verdict.yml", "luma_std_min: 1.5", "luma_std_min: 20"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("rules")
    with EmbeddedKafka(folder) as broker:
        (folder / ENDPOINTS_FILE).write_text(json.dumps({"kafka_bootstrap": broker.bootstrap}), encoding="utf-8")
        made = Settings.model_validate({"kafka_bootstrap": broker.bootstrap, "state_dir": folder})
        ensure_topics(made, samples.ruleset().engines)
        yield made


@pytest.fixture
def empty(settings: Settings) -> Settings:
    """The topic `rulesets` with nothing on it."""
    now = read_topic(settings)
    keys = [*now.rulesets, ACTIVE_KEY, *(ACTIVATED_KEY + a.event_id for a in now.activations)]
    send(settings, "rulesets", [(k, None) for k in keys])
    return settings


@pytest.fixture
def shorter_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "candidate"
    shutil.copytree(samples.CONFIG, folder, ignore=shutil.ignore_patterns("demo"))
    (folder / "sanity.yml").write_text(
        samples.changed("sanity.yml", "prompt_max_chars: 4000", "prompt_max_chars: 40")["sanity.yml"], encoding="utf-8"
    )
    return folder


def call(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PRESSCHECK_")}
    return subprocess.run(
        [sys.executable, "-m", "ops", "rules", *arguments, "--state", str(settings.state_dir)],
        cwd=ROOT, env={**inherited, "COLUMNS": "200"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return cast("dict[str, Any]", json.loads(done.stdout))


def test_publish_activate_list_diff_and_back(empty: Settings, shorter_folder: Path) -> None:
    first = told(call(empty, "publish", "--activate", "--yes", "--json"))
    assert first["activated"]
    assert first["former_id"] is None
    assert "typeset" in first["unserved_engines"]
    second = told(call(empty, "publish", "--config", str(shorter_folder), "--json"))
    assert (second["activated"], second["was_published"], second["ruleset_id"]) == (False, False, SHORTER.id)
    refused = call(empty, "activate", SHORTER.id[:8])
    assert refused.returncode == 2
    assert "no running worker serves" in refused.stderr
    assert "say --yes" in refused.stderr
    assert told(call(empty, "activate", SHORTER.id[:8], "--yes", "--json"))["former_id"] == samples.ruleset().id
    page = told(call(empty, "list", "--limit", "1", "--json"))
    assert (page["active"], page["former"]) == (SHORTER.id, samples.ruleset().id)
    assert [r["ruleset_id"] for r in page["rulesets"]] == [SHORTER.id]
    rest = told(call(empty, "list", "--after", page["next"], "--json"))
    assert [(r["ruleset_id"], r["state"]) for r in rest["rulesets"]] == [(samples.ruleset().id, "former")]
    found = told(call(empty, "diff", SHORTER.id[:10], str(samples.CONFIG), "--json"))["differences"]
    assert [(d["file"], d["former"], d["new"]) for d in found] == [("sanity.yml", "4000", "40")]
    assert told(call(empty, "rollback", "--json"))["ruleset_id"] == samples.ruleset().id
    assert read_topic(empty).active_id == samples.ruleset().id
    again = call(empty, "rollback")
    assert again.returncode == 2
    assert "no other ruleset was active before" in again.stderr


def test_what_fails_the_check_is_not_published_and_names_file_and_line(empty: Settings, shorter_folder: Path) -> None:
    words = shorter_folder / "sanity.yml"
    text = words.read_text(encoding="utf-8")
    words.write_text(text.replace("prompt_max_chars: 40", "prompt_max_chars: many"), encoding="utf-8")
    done = call(empty, "publish", "--config", str(shorter_folder))
    assert done.returncode == 2
    assert "sanity.yml:6: " in done.stderr
    assert read_topic(empty).rulesets == {}
    unknown = call(empty, "activate", "abcdef12")
    assert unknown.returncode == 2
    assert "no ruleset 'abcdef12' was published" in unknown.stderr


def test_the_way_back_survives_compaction(empty: Settings) -> None:
    """Only the newest record of each key may count: what is read again from the end of each key leads the same way."""
    for n, ruleset in enumerate((samples.ruleset(), SHORTER, STRICTER)):
        publish(empty, ruleset, who="test", at_ms=10 * n, activate=True)
    assert read_topic(empty).active_id == STRICTER.id
    activate(empty, STRICTER.id, who="test", at_ms=90)  # it decides already: no step
    assert roll_back(empty, who="test", at_ms=91).ruleset_id == SHORTER.id
    assert roll_back(empty, who="test", at_ms=92).ruleset_id == samples.ruleset().id
    with pytest.raises(BadConfig, match="no other ruleset"):
        roll_back(empty, who="test", at_ms=93)
    assert [a.at_ms for a in read_topic(empty).activations] == [0, 10, 20, 91, 92]


def test_recorded_prompts_and_measurements_are_tried(settings: Settings) -> None:
    prompts = ["a lighthouse at dawn", "a very long prompt " * 5]
    jobs = [samples.job(prompts[n % 2], key=f"try-{n}") for n in range(40)]
    send(settings, PROMPTS, [(j.job_id, CODEC.encode(samples.submitted(j))) for j in jobs])
    send(settings, PROMPTS, [("x", b"garbage")])
    sound = samples.inspection()
    grey = samples.inspection(blank__luma_std=10.0)
    seen = [
        ImageInspected(
            event_id=ids.event_id(j.job_id, "test"), at_ms=1, request=samples.routed(j), rendering=samples.rendering(),
            inspection=grey if n % 4 == 0 else sound,
        )
        for n, j in enumerate(jobs)
    ]  # fmt: skip
    send(settings, IMAGES_INSPECTED, [(e.request.job.job_id, CODEC.encode(e)) for e in seen])
    publish(settings, samples.ruleset(), who="test", at_ms=1, activate=True)
    publish(settings, SHORTER, who="test", at_ms=2, activate=False)
    publish(settings, STRICTER, who="test", at_ms=3, activate=False)
    ends = {t: find_range(settings, t, Bound(offset=0), None) for t in (PROMPTS, IMAGES_INSPECTED)}

    tried = told(call(settings, "what-if", SHORTER.id[:12], "--json"))
    assert (tried["jobs"], tried["changed"], tried["unusable"]) == (40, 20, 1)
    assert sum(e["former"] for e in tried["engine"].values()) == 40
    assert tried["engine"]["refused"]["new"] == 20
    assert len(tried["sample"]) == 20
    judged = told(call(settings, "rejudge", STRICTER.id[:12], "--json"))
    assert (judged["jobs"], judged["changed"]) == (40, 10)
    assert {(m["former"], m["jobs"]) for m in judged["moves"] if m["former"] != m["new"]} == {("accept", 10)}
    table = call(settings, "what-if", SHORTER.id[:12], "--from", "-1h", "--workers", "1")
    assert table.returncode == 0, table.stderr
    assert "40 jobs, 20 of them change" in table.stdout
    later = told(call(settings, "what-if", SHORTER.id[:12], "--to", "-1h", "--json"))
    assert later["jobs"] == 0
    wrong = call(settings, "what-if", SHORTER.id[:12], "--from", "yesterday")
    assert wrong.returncode == 2
    assert "neither an offset nor a time" in wrong.stderr
    none = call(settings, "what-if", SHORTER.id[:12], "--partition", "99")
    assert none.returncode == 2
    assert "has no partition 99" in none.stderr
    # Nothing was written, and a part of the log gives a part of the counts.
    assert {t: find_range(settings, t, Bound(offset=0), None) for t in ends} == ends
    parts = [
        total(compare(settings, samples.ruleset(), SHORTER, replace(ends[PROMPTS], slices=(s,)), workers=1)).jobs
        for s in ends[PROMPTS].slices[:1]
    ]
    assert 0 < parts[0] < 40
