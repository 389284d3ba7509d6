"""Job lines: what is right becomes a job, what is wrong is named with its line and mend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from ops.submission import Draft, Fault, parse_lines, submitted
from schemas import ids
from schemas.events import FileRole, Lane


def parse(line: object, folder: Path = Path()) -> Draft | Fault:
    text = line if isinstance(line, str) else json.dumps(line)
    (only,) = parse_lines([text], source="jobs.jsonl", folder=folder, now_ms=1_700_000_000_000)
    return only


def test_a_whole_line_becomes_a_job(tmp_path: Path) -> None:
    Image.new("RGB", (10, 10)).save(tmp_path / "logo.png")
    line = {
        "prompt": "a red tent", "idempotency_key": "k1", "campaign": "c", "brand": "b", "lane": "critical",
        "required_text": ["SLEEP"], "negative_prompt": "n", "width": 640, "height": 480, "seed": 7,
        "engine": "typeset", "files": [{"role": "logo", "path": "logo.png"}],
    }  # fmt: skip
    draft = parse(line, tmp_path)
    assert isinstance(draft, Draft)
    job = draft.job
    assert job.job_id == ids.job_id("k1")
    assert (job.lane, job.required_text, job.width, job.height, job.seed) == (Lane.CRITICAL, ("SLEEP",), 640, 480, 7)
    assert draft.files == ((FileRole.LOGO, tmp_path / "logo.png"),)
    assert submitted(job) == submitted(job)


def test_lines_without_a_key_are_jobs_of_their_own() -> None:
    one, two = parse({"prompt": "x"}), parse({"prompt": "x"})
    assert isinstance(one, Draft)
    assert isinstance(two, Draft)
    assert one.job.job_id != two.job.job_id


def test_the_same_key_gives_the_same_job_and_seed() -> None:
    assert parse({"prompt": "x", "idempotency_key": "k"}) == parse({"prompt": "x", "idempotency_key": "k"})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON at column 2"),
        ("[]", "want a JSON object"),
        ({}, '"prompt" is missing'),
        ({"promt": "x"}, 'did you mean "prompt"?'),
        ({"prompt": 3}, "want a string"),
        ({"prompt": "x", "width": True}, "want a whole number of pixels"),
        ({"prompt": "x", "width": 3}, "Job.width=3, want 64..8192"),
        ({"prompt": "x", "lane": "urgent"}, "want critical or exploratory"),
        ({"prompt": "x", "required_text": [""]}, "want a list of strings"),
        ({"prompt": "x", "files": ["a.png"]}, "want {"),
        ({"prompt": "x", "files": [{"role": "logos", "path": "a.png"}]}, "want one of logo"),
        ({"prompt": "x", "files": [{"role": "logo", "path": "gone.png"}]}, "is not there"),
        ({"prompt": "x", "engine": "No Such"}, "Job.engine"),
    ],
)
def test_a_wrong_line_is_named_with_its_place_and_mend(line: object, says: str) -> None:
    fault = parse(line)
    assert isinstance(fault, Fault)
    assert fault.place == "jobs.jsonl:1"
    assert says in fault.message


def test_a_file_that_is_no_sound_image_is_refused(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:-200])
    fault = parse({"prompt": "x", "files": [{"role": "logo", "path": "cut.png"}]}, tmp_path)
    assert isinstance(fault, Fault)
    assert "not a sound image" in fault.message


def test_blank_lines_are_passed_over_and_lines_keep_their_numbers() -> None:
    found = list(parse_lines(["", '{"prompt": "x"}', "  ", "{"], source="f", folder=Path(), now_ms=0))
    assert [f.place for f in found] == ["f:2", "f:4"]
