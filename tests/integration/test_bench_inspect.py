"""`presscheck bench inspect` in short forms: what both benches print and keep. Neither speed nor accuracy is tested."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from ops.bench.corpus import ORDER
from ops.bench.corpus_kinds import Kind
from ops.bench.inspect_speed import EASYOCR, OURS, RAPIDOCR, Plain, SpeedFigures
from ops.bench.inspect_tables import show_speed
from ops.bench.plain_readers import has_rapidocr

ROOT = Path(__file__).parents[2]


def bench(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ops", "bench", "inspect", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(figures: dict[str, Any], pictures: int) -> None:
    assert figures["pictures"] == figures["right"] + figures["wrong"] == pictures
    assert figures["images_per_s"] > 0
    assert figures["p50_s"] <= figures["p95_s"]
    assert 50 < figures["peak_mib"] < 8000
    assert figures["right_refused"] <= figures["right"]
    assert figures["wrong_accepted"] <= figures["wrong"]


def test_the_inspection_is_timed_beside_plain_rapidocr():
    """Where its engine is missing, as in the light install, the table says that in its place."""
    if not has_rapidocr():
        assert f"{RAPIDOCR} is left out: it is not installed" in bench("--count", "1", "--no-easyocr")
        return
    seen = cast("dict[str, Any]", json.loads(bench("--count", "2", "--no-easyocr", "--json")))
    assert list(seen) == [OURS, RAPIDOCR]
    for figures in seen.values():
        check(figures, 2)


@pytest.mark.models
def test_easyocr_is_timed_in_the_same_run():
    pytest.importorskip("easyocr_en_models")
    seen = cast("dict[str, Any]", json.loads(bench("--count", "1", "--json")))
    assert list(seen) == [OURS, RAPIDOCR, EASYOCR]
    check(seen[EASYOCR], 1)
    assert seen[EASYOCR]["p50_s"] > seen[OURS]["p50_s"]


def test_what_is_not_installed_is_named_under_the_table(capsys: pytest.CaptureFixture[str]):
    figures = SpeedFigures(
        pictures=1,
        images_per_s=2.0,
        p50_s=0.5,
        p95_s=0.5,
        peak_mib=500.0,
        right=1,
        right_refused=0,
        wrong=0,
        wrong_accepted=0,
    )
    show_speed({OURS: figures}, left_out=[Plain(name, installed=False).absence for name in (RAPIDOCR, EASYOCR)])
    said = capsys.readouterr().out
    for name in (RAPIDOCR, EASYOCR):
        assert f"{name} is left out: it is not installed (extra `models`)." in said


def test_the_corpus_gives_counts_goals_and_the_pictures_that_went_wrong(tmp_path: Path):
    # Up to the Greek pictures: the readers do not know those letters, so one goes wrong.
    count = 2 * (ORDER.index(Kind.GREEK) + 1)
    folder = tmp_path / "worst"
    seen = cast(
        "dict[str, Any]", json.loads(bench("--corpus", "--count", str(count), "--worst", str(folder), "--json"))
    )
    assert (seen["pictures"], seen["split"]) == (count, "tune")
    assert sum(sum(row.values()) for row in seen["sound_by_kind"].values()) == count / 2
    damaged = [seen["damaged_by_kind"], seen["damaged_by_damage"]]
    assert [sum(sum(row.values()) for row in part.values()) for part in damaged] == [count / 2, count / 2]
    for goal in seen["goals"]:
        assert goal["standing"] in {"met", "missed", "undecided"}
        assert 0 <= goal["seen"]["low"] <= goal["seen"]["high"] <= 1
    lines = [json.loads(line) for line in (folder / "worst.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines
    for line in lines:
        assert (line["verdict"] == "accept") == (line["damage"] is not None)
        with Image.open(folder / line["file"]) as picture:
            picture.load()


def test_two_processes_see_what_one_sees():
    words = ("--corpus", "--count", "4", "--json")
    one, two = (json.loads(bench(*words, "--jobs", jobs)) for jobs in ("1", "2"))
    for part in ("pictures", "sound_by_kind", "damaged_by_kind", "damaged_by_damage", "goals"):
        assert one[part] == two[part]


def test_a_run_ends_after_its_time():
    seen = json.loads(bench("--corpus", "--count", "1000", "--seconds", "1", "--json"))
    assert 1 <= seen["pictures"] < 100


def test_the_tables_say_how_each_goal_stands():
    said = bench("--corpus", "--count", "2", "--split", "holdout")
    assert "2 pictures of holdout" in said
    assert "one-letter errors accepted" in said
    assert "undecided" in said
