"""Rulesets by command on a real broker, and what-if and rejudge on records that lie there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,  # pyright: ignore[reportPrivateImportUsage] - its stubs do not name what it exports
    ConfigEntry,  # pyright: ignore[reportPrivateImportUsage] - as above
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage] - as above
    ResourceType,  # pyright: ignore[reportPrivateImportUsage] - as above
)

from broker.admin import ensure_topics
from broker.broadcast import ACTIVE_KEY, RulesetTable, follow_rulesets
from broker.clients import kafka_config
from broker.embedded.kafka import EmbeddedKafka
from broker.settings import ENDPOINTS_FILE, Settings
from ops.log_range import Bound, find_range
from ops.rulesets.publish import activate, publish, roll_back
from ops.rulesets.topic import ACTIVATED_KEY, read_topic
from ops.rulesets.what_if import compare, total
from ops.whole_topic import whole_topic
from rules.ruleset import load_ruleset
from schemas import ids
from schemas.catalogue import IMAGES_INSPECTED, PROMPTS, RULESETS
from schemas.codec import Codec, LockedIds
from schemas.errors import BadConfig
from schemas.events import ImageInspected
from tests.integration.streams_support import send
from tests.unit.rules import samples
from tests.waiting import until

ROOT = Path(__file__).parents[2]
CODEC = Codec(LockedIds())
SHORTER = load_ruleset(samples.changed("sanity.yml", "prompt_max_chars: 4000", "prompt_max_chars: 40"))
STRICTER = load_ruleset(samples.changed("verdict.yml", "luma_std_min: 1.5", "luma_std_min: 20"))


WRONG = (
    ("routing.yml", "use: text_specialist", "use: text_specalist", "did you mean 'text_specialist'?"),
    ("verdict.yml", "readers: [rapidocr, ", "readers: [rapidoc, ", "did you mean 'rapidocr'?"),
    ("sanity.yml", "prompt_max_chars: 4000", "prompt_max_chars: 0", "1 to 20000"),
)
"""A file, a line of it, what is wrong in its place, and the mend that is named."""
FILLER = "filler"
BLOCK = re.compile(r"<!-- runs on a broker -->\n```sh\n(.*?)```", re.DOTALL)


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
    return copied(tmp_path, "sanity.yml", "prompt_max_chars: 4000", "prompt_max_chars: 40")


def copied(tmp_path: Path, file: str = "sanity.yml", old: str = "", new: str = "") -> Path:
    """A copy of config/ in which a line of one file differs."""
    folder = tmp_path / "candidate"
    shutil.copytree(samples.CONFIG, folder, ignore=shutil.ignore_patterns("demo"))
    if old:
        (folder / file).write_text(samples.changed(file, old, new)[file], encoding="utf-8")
    return folder


def check(config: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """It needs no stack."""
    return subprocess.run(
        [sys.executable, "-m", "ops", "rules", "check", "--config", config, *arguments],
        cwd=ROOT, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


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


def raw(settings: Settings) -> Counter[str]:
    """How many records of each key topic `rulesets` holds."""
    return Counter((m.key() or b"").decode() for m in whole_topic(settings, RULESETS))


def compact(settings: Settings) -> None:
    """Let the broker compact topic `rulesets`, which it does with all but the newest segment, and wait for it."""
    admin: Any = AdminClient(kafka_config(settings))  # its stubs leave futures open
    wanted = {
        (ResourceType.TOPIC, RULESETS): {
            "segment.ms": "1",
            "min.cleanable.dirty.ratio": "0",
            "max.compaction.lag.ms": "1",
            "delete.retention.ms": "0",
        },
        (ResourceType.BROKER, str(*admin.list_topics(timeout=30).brokers)): {"log.cleaner.backoff.ms": "50"},
    }
    for (kind, name), values in wanted.items():
        entries = [ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET) for k, v in values.items()]
        resource = ConfigResource(kind, name, incremental_configs=entries)
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(30)

    def only_the_newest() -> bool:
        send(settings, RULESETS, [(FILLER, None)])  # the next record closes the segment before it
        return max(n for key, n in raw(settings).items() if key != FILLER) == 1

    until("every key has one record", only_the_newest)


def test_the_way_back_survives_compaction(empty: Settings) -> None:
    """The broker drops all but the newest record of each key: the way back leads on as it did."""
    for n, ruleset in enumerate((samples.ruleset(), SHORTER, STRICTER)):
        publish(empty, ruleset, who="test", at_ms=10 * n, activate=True)
    assert raw(empty)[ACTIVE_KEY] > 1
    compact(empty)
    assert read_topic(empty).active_id == STRICTER.id
    activate(empty, STRICTER.id, who="test", at_ms=90)  # it decides already: no step
    assert roll_back(empty, who="test", at_ms=91).ruleset_id == SHORTER.id
    compact(empty)
    assert roll_back(empty, who="test", at_ms=92).ruleset_id == samples.ruleset().id
    with pytest.raises(BadConfig, match="no other ruleset"):
        roll_back(empty, who="test", at_ms=93)
    assert [a.at_ms for a in read_topic(empty).activations] == [0, 10, 20, 91, 92]
    with follow_rulesets(empty) as followed:
        followed.wait_ready(60)
        assert RulesetTable(followed).current() == samples.ruleset()


def test_a_reader_that_is_not_here_is_told_before_activation(empty: Settings, tmp_path: Path) -> None:
    folder = copied(tmp_path, "verdict.yml", '"rapidocr@curve"]', "vision]")
    published = told(call(empty, "publish", "--config", str(folder), "--json"))
    assert published["missing_readers"] == []
    refused = call(empty, "activate", published["ruleset_id"][:8])
    assert refused.returncode == 2
    assert "the reader vision has no endpoint" in refused.stderr
    assert "or say --yes" in refused.stderr
    assert read_topic(empty).active_id is None
    done = call(empty, "activate", published["ruleset_id"][:8], "--yes", "--json")
    assert told(done)["missing_readers"] == ["vision"]
    assert "the reader vision has no endpoint" in done.stderr


def test_check_says_what_there_is_and_names_what_is_wrong(tmp_path: Path) -> None:
    whole = told(check(str(samples.CONFIG), "--json"))
    ruleset = samples.ruleset()
    assert whole == {
        "ruleset_id": ruleset.id,
        "failure_modes": len(ruleset.failure_modes),
        "routing_rules": len(ruleset.routing.rules),
        "engines": len(ruleset.engines),
        "brands": len(ruleset.brands),
    }
    said = check(str(samples.CONFIG))
    assert said.returncode == 0
    assert said.stdout.startswith(f"well: {len(ruleset.failure_modes)} failure modes, ")
    for number, (file, old, new, mend) in enumerate(WRONG):
        folder = copied(tmp_path / str(number), file, old, new)
        done = check(str(folder), "--json")
        assert (done.returncode, done.stdout) == (2, "")
        line = next(n for n, text in enumerate((folder / file).read_text("utf-8").splitlines(), 1) if new in text)
        assert done.stderr.startswith(f"presscheck: {file}:{line}: ")
        assert mend in done.stderr
    folder = copied(tmp_path / "gone")
    (folder / "ladder.yml").unlink()
    assert "ladder.yml: is missing; restore it from version control" in " ".join(check(str(folder)).stderr.split())
    nowhere = check(str(tmp_path / "nowhere"))
    assert nowhere.returncode == 2
    assert "there is no folder" in nowhere.stderr


def test_show_prints_each_mode_with_what_stands_against_it(empty: Settings, shorter_folder: Path) -> None:
    ruleset = samples.ruleset()
    facts = told(call(empty, "show", "--config", str(samples.CONFIG), "--json"))
    assert facts["ruleset_id"] == ruleset.id
    assert facts["pipeline"]["primary_generator"] == ruleset.pipeline.primary_generator
    assert {n: m["caught_by"] for n, m in facts["failure_modes"].items()} == {
        n: list(m.caught_by) for n, m in ruleset.failure_modes.items()
    }
    publish(empty, SHORTER, who="test", at_ms=1, activate=True)
    for name in ("active", SHORTER.id[:8]):
        assert told(call(empty, "show", name, "--json"))["ruleset_id"] == SHORTER.id
    said = call(empty, "show", "--config", str(shorter_folder)).stdout
    assert SHORTER.id[:12] in said
    for name, mode in SHORTER.failure_modes.items():
        at = said.index(f"\n{name}: {mode.title}")
        assert f"caught by {', '.join(mode.caught_by)}" in said[at:]
    unknown = call(empty, "show", "abcdef12")
    assert unknown.returncode == 2
    assert "no ruleset 'abcdef12' was published" in unknown.stderr


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


def test_every_command_of_the_page_runs(empty: Settings, shorter_folder: Path) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "rules.md").read_text(encoding="utf-8"))
    assert len(blocks) == 3
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PRESSCHECK_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PRESSCHECK_STATE_DIR": str(empty.state_dir),
        "FOLDER": str(shorter_folder.parent),
    }
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join(blocks)],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    now = read_topic(empty)
    assert [a.ruleset_id for a in now.activations] == [samples.ruleset().id, SHORTER.id, samples.ruleset().id]
    assert json.loads((shorter_folder.parent / "what-if.json").read_text("utf-8"))["new_id"] == SHORTER.id
