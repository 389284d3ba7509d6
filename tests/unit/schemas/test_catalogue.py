"""The topic catalogue holds together: names, records, writers and readers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from schemas import avro_files as files
from schemas import catalogue as under_test
from schemas.catalogue import RENDER_PATTERN, TERMINAL_TOPICS, catalogue, read_catalogue, render_topic, topics_for
from schemas.errors import BadConfig
from schemas.events import Lane

STAGES = {"sanity", "render", "inspect", "validation", "audit"}


def test_every_constant_is_a_row_and_every_row_a_constant():
    names = {v for k, v in vars(under_test).items() if k.isupper() and isinstance(v, str)}
    assert names == {t.name for t in catalogue()}


def test_every_record_travels_and_is_on_exactly_one_row():
    carried = [r for t in catalogue() for r in t.records]
    assert sorted(carried) == list(files.record_names())


def test_audit_reads_every_topic_of_the_record_and_every_topic_is_written():
    assert {t.name for t in catalogue() if "audit" not in t.read_by} == {"progress", "looks"}  # no record
    assert all(t.written_by for t in catalogue())
    assert {w for t in catalogue() for w in t.written_by} >= STAGES - {"audit"}  # it writes to Postgres alone


def test_seen_keys_are_partitioned_as_the_prompts():
    rows = {t.name: t for t in catalogue()}
    assert rows["prompts.seen"].partitions == rows["prompts"].partitions
    assert rows["prompts.seen"].compacted


def test_terminal_topics_are_rows():
    assert set(TERMINAL_TOPICS) < {t.name for t in catalogue()}


def test_the_pattern_unfolds_by_engine_and_lane():
    names = [t.name for t in topics_for(["typeset", "sd3.5-large"])]
    assert RENDER_PATTERN not in names
    assert [n for n in names if n.startswith("render.")] == [
        "render.sd3.5-large.critical",
        "render.sd3.5-large.exploratory",
        "render.typeset.critical",
        "render.typeset.exploratory",
    ]
    assert render_topic("typeset", Lane.CRITICAL) in names
    assert all(re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", n) for n in names), "Kafka would refuse the name"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ('records = ["Invoice"]', r"topic bills carries \['Invoice'\]"),
        ('records = ["PromptSeen"]\nkey = "job_id"', "topic bills lacks 'doc'"),
        ('records = ["PromptSeen"]\ncleanup = 4', "topic bills has 'cleanup'"),
        ("records = [", "Invalid value"),
    ],
)
def test_a_row_that_is_none_is_refused(tmp_path: Path, row: str, why: str):
    path = tmp_path / "topics.toml"
    path.write_text(f"[topics.bills]\n{row}\n", encoding="utf-8")
    with pytest.raises(BadConfig, match=why):
        read_catalogue(path)


@pytest.mark.parametrize("name", [*files.record_names(), *files.part_names()])
def test_every_field_and_record_has_a_doc_that_ends(name: str):
    schema = files.load(name)
    assert schema["name"] == name
    assert schema["namespace"] == files.NAMESPACE
    docs = [schema["doc"], *(f["doc"] for f in schema.get("fields", []))]
    assert all(d.endswith(".") for d in docs), json.dumps(docs)
