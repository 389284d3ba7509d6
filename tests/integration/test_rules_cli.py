"""Rulesets by command on a real broker, and what-if and rejudge on records that lie there."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,  # pyright: ignore[reportPrivateImportUsage] - its stubs do not name what it exports
    ConfigEntry,  # pyright: ignore[reportPrivateImportUsage] - as above
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage] - as above
    OffsetSpec,  # pyright: ignore[reportPrivateImportUsage] - as above
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
from schemas.events import ImageInspected, Job, Lane, PromptSubmitted
from tests.integration.streams_support import send
from tests.unit.rules import samples
from tests.waiting import until

ROOT = Path(__file__).parents[2]
CODEC = Codec(LockedIds())
SHORTER = load_ruleset(samples.changed("sanity.yml", "prompt_max_chars: 4000", "prompt_max_chars: 40"))
NARROWER = load_ruleset(
    samples.changed("sanity.yml", "prompt_max_chars: 4000", "prompt_max_chars: 40")
    | {
        "failure-modes.yml": samples.changed("failure-modes.yml", "[latents, outcome]", "[latents]")[
            "failure-modes.yml"
        ].replace("caught_by: [noise]", "caught_by: [noise, outcome]")
    }
)
"""SHORTER, with one check less against one failure mode, and one more against another."""
STRICTER = load_ruleset(samples.changed("verdict.yml", "luma_std_min: 1.5", "luma_std_min: 20"))


WRONG = (
    ("routing.yml", "use: text_specialist", "use: text_specalist", "did you mean 'text_specialist'?"),
    ("verdict.yml", "readers: [rapidocr, ", "readers: [rapidoc, ", "did you mean 'rapidocr'?"),
    ("sanity.yml", "prompt_max_chars: 4000", "prompt_max_chars: 0", "1 to 20000"),
)
"""A file, a line of it, what is wrong in its place, and the mend that is named."""
WANTED = (
    "a lighthouse at dawn",
    "a very long prompt " * 5,
    'a sign that says "OPEN"',
    'a poster that says "OPEN" in a crowd of people by the sea',
)
MODELS = frozenset({"torch", "diffusers", "transformers", "onnxruntime", "openvino", "rapidocr", "easyocr"})
WATCH = """
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if "." not in name:
            with open(os.environ["IMPORTS"], "a") as notes:
                notes.write(f"{os.getpid()} {name}\\n")

sys.meta_path.insert(0, Watch())
"""
"""What Python runs as it starts, and each process that multiprocessing spawns."""
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


def environment() -> dict[str, str]:
    """Ours, but for what would steer the program."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PRESSCHECK_", "COLUMNS", "NO_COLOR"))}


def call(
    settings: Settings, *arguments: str, more: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", "rules", *arguments, "--state", str(settings.state_dir)],
        cwd=ROOT, env={**environment(), "COLUMNS": "200", **more},
        capture_output=True, text=True, timeout=120, check=False,
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


def recorded(n: int) -> Job:
    """The n-th recorded job: half of the prompts are too long for SHORTER, half want text, a quarter people."""
    lane = Lane.CRITICAL if n < 10 else Lane.EXPLORATORY
    return samples.job(WANTED[n % len(WANTED)], key=f"try-{n}", lane=lane)


@pytest.fixture(scope="module")
def records(settings: Settings) -> Settings:
    """40 prompts and one that cannot be read; 40 measurements of the same jobs, ten of them of a flat grey."""
    jobs = [recorded(n) for n in range(40)]
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
    return settings


@pytest.fixture
def tried(records: Settings, empty: Settings) -> Settings:
    """The records, the ruleset of config/ in force, and two others to try."""
    publish(empty, samples.ruleset(), who="test", at_ms=1, activate=True)
    publish(empty, NARROWER, who="test", at_ms=2, activate=False)
    publish(empty, STRICTER, who="test", at_ms=3, activate=False)
    return records


def test_recorded_prompts_and_measurements_are_tried(tried: Settings) -> None:
    facts = told(call(tried, "what-if", NARROWER.id[:12], "--json"))
    assert (facts["jobs"], facts["changed"], facts["unusable"]) == (40, 20, 1)
    counts = {
        kind: {name: (g["former"], g["new"], g["changed"]) for name, g in facts[kind].items()}
        for kind in ("engine", "lane", "tag")
    }
    assert counts == {
        "engine": {"sd3.5-large": (20, 10, 10), "ideogram-v1": (20, 10, 10), "refused": (0, 20, 20)},
        "lane": {"exploratory": (30, 30, 15), "critical": (10, 10, 5)},
        "tag": {
            "text": (20, 20, 10), "asks-for-text": (20, 20, 10), "people": (10, 10, 10), "too-long": (0, 20, 20),
        },
    }  # fmt: skip
    engines = samples.ruleset().engines
    each = [engines[name].expected_cost_usd for name in ("sd3.5-large", "ideogram-v1")]
    assert min(each) > 0
    assert facts["cost_usd"] == {"former": round(20 * sum(each), 4), "new": round(10 * sum(each), 4)}
    assert [facts["engine"]["ideogram-v1"][side] for side in ("former_usd", "new_usd")] == pytest.approx(
        [20 * each[1], 10 * each[1]]
    )
    assert facts["lane"]["critical"]["new_usd"] == pytest.approx(3 * each[0] + 2 * each[1])
    assert len(facts["sample"]) == 20
    assert facts["cover"] == [
        {"mode": "broken-latents", "gained": [], "lost": ["caught by outcome"]},
        {"mode": "latent-noise", "gained": ["caught by outcome"], "lost": []},
    ]
    table = call(tried, "what-if", NARROWER.id[:12], "--from", "-1h", "--workers", "1")
    assert (table.returncode, table.stderr) == (0, ""), "nor a bar where nobody looks on"
    assert "40 jobs, 20 of them change" in table.stdout
    lines = [line.strip() for line in table.stdout.splitlines()]
    at = lines.index("cover")
    assert [re.split(r"  +", line) for line in lines[at + 1 : at + 4]] == [
        ["failure mode", "gains", "loses"],
        ["broken-latents", "caught by outcome"],
        ["latent-noise", "caught by outcome"],
    ]
    gains, loses = (table.stdout.splitlines()[at + 1].index(word) for word in ("gains", "loses"))
    assert [line.index("caught by") for line in table.stdout.splitlines()[at + 2 : at + 4]] == [loses, gains]

    judged = told(call(tried, "rejudge", STRICTER.id[:12], "--workers", "1", "--json"))
    assert (judged["jobs"], judged["changed"]) == (40, 10)
    assert {(m["former"], m["jobs"]) for m in judged["moves"] if m["former"] != m["new"]} == {("accept", 10)}


def test_a_part_of_the_log_gives_a_part_of_the_counts(tried: Settings) -> None:
    later = told(call(tried, "what-if", NARROWER.id[:12], "--to", "-1h", "--workers", "1", "--json"))
    assert later["jobs"] == 0
    wrong = call(tried, "what-if", NARROWER.id[:12], "--from", "yesterday")
    assert wrong.returncode == 2
    assert "neither an offset nor a time" in wrong.stderr
    none = call(tried, "what-if", NARROWER.id[:12], "--partition", "99")
    assert none.returncode == 2
    assert "has no partition 99" in none.stderr
    whole = find_range(tried, PROMPTS, Bound(offset=0), None)
    first = replace(whole, slices=whole.slices[:1])
    assert 0 < total(compare(tried, samples.ruleset(), NARROWER, first, workers=1)).jobs < 40
    # Four offsets, and exactly the jobs that lie there.
    lying = {m.offset(): CODEC.decode(m.value()) for m in whole_topic(tried, PROMPTS) if m.partition() == 0}
    assert len(lying) > 7
    four = [cast("PromptSubmitted", lying[n]).job for n in range(3, 7)]
    facts = told(
        call(
            tried,
            "what-if",
            NARROWER.id[:12],
            "--from",
            "3",
            "--to",
            "7",
            "--partition",
            "0",
            "--workers",
            "1",
            "--json",
        )
    )
    assert (facts["jobs"], facts["unusable"], facts["gone"]) == (4, 0, 0)
    assert {c["job_id"] for c in facts["sample"]} == {j.job_id for j in four if len(j.prompt) > 40}
    assert facts["changed"] == len(facts["sample"])
    assert {lane: g["former"] for lane, g in facts["lane"].items()} == Counter(j.lane.value for j in four)


def world(settings: Settings) -> dict[str, Any]:
    """What a command could have changed: where every log ends, the groups, and the files beside the broker's own."""
    admin: Any = AdminClient(kafka_config(settings))  # its stubs leave futures open
    topics = admin.list_topics(timeout=30).topics
    places = {TopicPartition(t, p): OffsetSpec.latest() for t in topics if t[0] != "_" for p in topics[t].partitions}
    ends = {(p.topic, p.partition): f.result(30).offset for p, f in admin.list_offsets(places).items()}
    groups = admin.list_consumer_groups().result(30)
    folder = settings.state_dir
    found = [p.relative_to(folder) for p in folder.rglob("*") if p.is_file()]
    files = [p for p in found if not any(part.startswith("kafka") for part in p.parts)]
    return {
        "ends": ends,
        "groups": sorted(g.group_id for g in groups.valid),
        "files": {str(p): ((folder / p).stat().st_mtime_ns, (folder / p).read_bytes()) for p in files},
    }


def test_trying_writes_nothing_and_loads_no_model_and_no_reader(tried: Settings, tmp_path: Path) -> None:
    """Every module that the command or a process of its pool looks for is written down by an importer of ours."""
    (tmp_path / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
    before = world(tried)
    assert before["ends"][PROMPTS, 0] > 7
    assert ENDPOINTS_FILE in before["files"]
    for command, ruleset in (("what-if", NARROWER), ("rejudge", STRICTER)):
        notes = tmp_path / f"{command}.txt"
        watched = {"PYTHONPATH": str(tmp_path), "IMPORTS": str(notes)}
        assert told(call(tried, command, ruleset.id[:12], "--workers", "2", "--json", more=watched))["jobs"] == 40
        looked: dict[str, set[str]] = {}
        for line in notes.read_text(encoding="utf-8").splitlines():
            process, name = line.split()
            looked.setdefault(process, set()).add(name)
        assert sum("rules" in names for names in looked.values()) == 3, "the command and two processes"
        assert not set().union(*looked.values()) & MODELS
    assert world(tried) == before


def test_a_bar_counts_the_slices_on_a_terminal(tried: Settings, tmp_path: Path) -> None:
    slices = len(find_range(tried, PROMPTS, Bound(offset=0), None).slices)
    assert slices > 1
    arguments = ("what-if", NARROWER.id[:12], "--workers", "1", "--json")
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (50, 100))
    facts = tmp_path / "facts.json"
    with facts.open("wb") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", "ops", "rules", *arguments, "--state", str(tried.state_dir)],
            cwd=ROOT, env={**environment(), "TERM": "xterm"}, stdin=subprocess.DEVNULL, stdout=out, stderr=its,
        )  # fmt: skip
    os.close(its)
    shown = b""
    with suppress(OSError):  # how Linux says that the other end is closed
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert running.wait(60) == 0
    counted = re.findall(r"(\d+)/(\d+)", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()))
    assert {int(of) for _, of in counted} == {slices}
    assert {0, slices} <= {int(n) for n, _ in counted}
    assert json.loads(facts.read_text(encoding="utf-8"))["jobs"] == 40


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
