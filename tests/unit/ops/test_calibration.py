"""A candidate keeps every comment of verdict.yml, what stood in other cells, and nothing that the ruleset lacks."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ops.labels.calibration import Asked, Cell, entries, waiting, write_candidate
from ops.labels.risk_plot import risk_plot
from rules.calibration import BUCKETS, Counts, Fit, Standing
from rules.ruleset import load_ruleset
from schemas.errors import BadConfig
from tests.unit.rules.samples import CONFIG, ruleset

ASKED = Asked(alpha=0.01, delta=0.05, tighter=0.005)


def cell(mode: str, standing: Standing, below: float, *, engine: str = "simulator", labelled: int = 500) -> Cell:
    row = tuple(labelled if b == 3 else 0 for b in range(BUCKETS))
    found = Fit(
        standing=standing,
        accept_below=below,
        labelled=labelled,
        accepted=labelled,
        wrong=2,
        share=1.0,
        upper=0.009,
        missing=0,
        missing_tighter=7,
    )
    counts = Counts(labelled=row, wrong=tuple(n // 100 for n in row), placing=row)
    return Cell(lane="critical", engine=engine, mode=mode, counts=counts, waiting=0, fit=found)


def test_a_candidate_says_what_was_found_and_keeps_the_rest(tmp_path: Path):
    cells = [
        cell("wrong-text", Standing.BOUNDED, 0.42),
        cell("extra-text", Standing.OVER, 0.0, engine="*"),
        cell("missing-text", Standing.OPEN, 0.3),
        cell("wrong-text", Standing.BOUNDED, 0.1, engine="sold-last-year"),
        cell("gone-mode", Standing.BOUNDED, 0.1),
    ]
    first = write_candidate(CONFIG, tmp_path / "one", entries(cells, ruleset(), ASKED, "2026-05-01"))
    assert {(e.engine, e.mode, e.accept_below) for e in first.thresholds.acceptance.calibrated.values()} == {
        ("simulator", "wrong-text", 0.42), ("*", "extra-text", 0.0),
    }  # fmt: skip
    again = [cell("wrong-text", Standing.BOUNDED, 0.5), cell("extra-text", Standing.OPEN, 0.9, engine="*")]
    second = write_candidate(tmp_path / "one", tmp_path / "two", entries(again, first, ASKED, "2026-06-01"))
    fitted = second.thresholds.acceptance.calibrated.values()
    assert {(e.mode, e.accept_below, e.date, e.fitted_on == first.id) for e in fitted} == {
        ("wrong-text", 0.5, "2026-06-01", True), ("extra-text", 0.0, "2026-05-01", False),
    }  # fmt: skip
    kept = [line for line in (CONFIG / "verdict.yml").read_text().splitlines() if line != "calibrated: []"]
    written = (tmp_path / "two" / "verdict.yml").read_text().splitlines()
    assert [line for line in written if line in kept] == kept
    files = {p.relative_to(tmp_path / "two").as_posix(): p.read_text() for p in (tmp_path / "two").rglob("*.yml")}
    assert load_ruleset(files) == second
    emptied = write_candidate(tmp_path / "two", tmp_path / "three", ())
    assert emptied.id == ruleset().id


def test_a_candidate_overwrites_nothing_and_needs_its_line(tmp_path: Path):
    with pytest.raises(BadConfig, match="is there already"):
        write_candidate(CONFIG, tmp_path, ())
    broken = tmp_path / "broken"
    shutil.copytree(CONFIG, broken)
    text = (broken / "verdict.yml").read_text()
    (broken / "verdict.yml").write_text(text.replace("calibrated: []", "# none"))
    with pytest.raises(BadConfig, match="0 lines that begin with calibrated"):
        write_candidate(broken, tmp_path / "out", ())


def test_the_picture_names_its_cells_and_marks_the_threshold():
    cells = [cell(f"mode-{n}", Standing.BOUNDED, 0.5, labelled=100 + n) for n in range(12)]
    drawn = risk_plot([*cells, cell("none", Standing.OPEN, 0.1, labelled=0)], 0.01, 0.05)
    assert drawn.count("<circle") == 10
    assert "mode-11" in drawn
    assert "and 2 more" in drawn
    assert "at most 1.00%" in drawn
    assert risk_plot([], 0.01, 0.05).startswith("<svg")


def test_a_curve_alone_has_its_limit_and_the_chosen_threshold_written():
    drawn = risk_plot([cell("wrong-text", Standing.BOUNDED, 0.42)], 0.01, 0.05)
    assert "accept below 0.42" in drawn
    assert "dotted: at most, 95.0% sure" in drawn
    assert "dotted" not in risk_plot([cell("a", Standing.OPEN, 0.1), cell("b", Standing.OPEN, 0.1)], 0.01, 0.05)


def test_who_waits_is_counted_once_however_many_defects_there_are():
    cells = [
        replace(cell(mode, Standing.OPEN, 0.1, engine=engine), waiting=number)
        for mode, engine, number in (("a", "one", 3), ("b", "one", 4), ("a", "two", 2))
    ]
    assert waiting(cells) == 4 + 2
