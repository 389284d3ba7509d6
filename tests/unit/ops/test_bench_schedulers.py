"""The table of `bench schedulers`: what a person reads of it."""

from __future__ import annotations

import pytest

from ops.bench.schedulers import Row
from ops.commands import bench

SUITED = Row(
    scheduler="FlowMatchEulerDiscreteScheduler", refused="", ran=True, std=1.18, absmax=4.0, stopped="", repeats=True
)
CAUGHT = Row(
    scheduler="UniPCMultistepScheduler (as shipped)",
    refused="only with flow_prediction",
    ran=True,
    std=183.64,
    absmax=640.78,
    stopped="a std of 184",
    repeats=True,
)
SLIPS = Row(
    scheduler="FlowMatchLCMScheduler", refused="it draws", ran=True, std=0.77, absmax=2.84, stopped="", repeats=False
)
THROWS = Row(
    scheduler="SCMScheduler", refused="no", ran=False, std=None, absmax=None, stopped="ValueError: no", repeats=None
)


def test_the_table_fits_a_terminal_and_names_what_only_the_profile_stops(capsys: pytest.CaptureFixture[str]) -> None:
    bench._show_schedulers([SUITED, CAUGHT, SLIPS, THROWS])
    said = capsys.readouterr().out.splitlines()
    end = next(n for n, line in enumerate(said) if line.startswith("4 tried"))
    assert max(len(line.rstrip()) for line in said[:end]) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in said[:end] if line.startswith(("Flow", "UniPC", "SCM"))}
    assert rows == {
        "FlowMatchEulerDiscrete": ["allow", "yes", "1.18", "4.00", "passes", "yes"],
        "UniPCMultistep": ["(as", "shipped)", "refuse", "yes", "183.64", "640.78", "catches", "it", "yes"],
        "FlowMatchLCM": ["refuse", "yes", "0.77", "2.84", "passes", "no"],
        "SCM": ["refuse", "no"],
    }
    assert " ".join(said).split("random weights: ")[1].strip() == "FlowMatchLCMScheduler."


def test_what_a_row_means() -> None:
    assert [row.slips_through for row in (SUITED, CAUGHT, SLIPS, THROWS)] == [False, False, True, False]
    allowed = Row(scheduler="x", refused="", ran=True, std=1.0, absmax=4.0, stopped="", repeats=False)
    assert [row.wrongly_allowed for row in (SUITED, CAUGHT, allowed)] == [False, False, True]
