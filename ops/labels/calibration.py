"""From counts of doubt to thresholds for each lane, engine and defect, and to a copy of config/ that holds them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from audit.labels import DoubtCount
from ops.rulesets.publish import config_folder, read_config
from rules.acceptance import ANY_ENGINE, Calibrated
from rules.calibration import BUCKETS, Counts, Fit, Standing, fit
from rules.ruleset import Ruleset
from schemas.errors import BadConfig
from schemas.events import Lane

VERDICT: Final = "verdict.yml"
KEY: Final = "calibrated:"
Names = tuple[str, str, str]
"""Lane, engine and failure mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be promised: at most `alpha`, with confidence 1 - `delta`; `tighter` is the rate to compare with."""

    alpha: float
    delta: float
    tighter: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One lane, engine and failure mode with what was found; `waiting` assets were chosen and are not labelled yet."""

    lane: str
    engine: str
    mode: str
    counts: Counts
    waiting: int
    fit: Fit


def cells_of(rows: Iterable[DoubtCount]) -> dict[Names, tuple[Counts, int]]:
    """Counts by cell, with the assets that wait. The rows come in order, as the database gives them."""
    out: dict[Names, tuple[Counts, int]] = {}
    for names, group in groupby(rows, key=lambda r: (r.lane, r.engine, r.mode)):
        by_bucket = {r.bucket: r for r in group}
        buckets = [by_bucket.get(b) for b in range(BUCKETS)]
        out[names] = (
            Counts(
                labelled=tuple(0 if r is None else r.labelled for r in buckets),
                wrong=tuple(0 if r is None else r.wrong for r in buckets),
                placing=tuple(0 if r is None else r.placing for r in buckets),
            ),
            sum(r.waiting for r in by_bucket.values()),
        )
    return out


def fitted(counts: Mapping[Names, tuple[Counts, int]], asked: Asked) -> Iterator[Cell]:
    """Every cell with its threshold."""
    for (lane, engine, mode), (own, waiting) in counts.items():
        found = fit(own, alpha=asked.alpha, delta=asked.delta, tighter=asked.tighter)
        yield Cell(lane=lane, engine=engine, mode=mode, counts=own, waiting=waiting, fit=found)


def waiting(cells: Iterable[Cell]) -> int:
    """Assets that were drawn and nobody labelled. An asset waits in each of its failure modes, and counts once."""
    most: dict[tuple[str, str], int] = {}
    for cell in cells:
        key = (cell.lane, cell.engine)
        most[key] = max(most.get(key, 0), cell.waiting)
    return sum(most.values())


def entries(cells: Sequence[Cell], ruleset: Ruleset, asked: Asked, date: str) -> tuple[Calibrated, ...]:
    """The thresholds of a candidate: those of before, each replaced where this calibration knows better.

    Where labels show too much at every threshold, nothing is accepted; where they are too few, what stood stays. Cells
    whose engine or failure mode the ruleset no longer has are left out.
    """
    found = dict(ruleset.thresholds.acceptance.calibrated)
    for cell in cells:
        known = cell.engine in {ANY_ENGINE, *ruleset.engines} and cell.mode in ruleset.failure_modes
        if known and cell.fit.standing is not Standing.OPEN:
            entry = Calibrated(
                lane=Lane(cell.lane),
                engine=cell.engine,
                mode=cell.mode,
                accept_below=cell.fit.accept_below,
                alpha=asked.alpha,
                delta=asked.delta,
                labels=cell.fit.labelled,
                fitted_on=ruleset.id,
                date=date,
            )
            found[(entry.lane, entry.engine, entry.mode)] = entry
    return tuple(found[k] for k in sorted(found))


def write_candidate(config_dir: Path, out_dir: Path, thresholds: Sequence[Calibrated]) -> Ruleset:
    """A copy of a config folder with these thresholds of doubt, and the ruleset that it makes. Nothing is published.

    Raises BadConfig where the copy would overwrite something, or verdict.yml has no line to put them at.
    """
    source = config_folder(config_dir)
    if out_dir.exists():
        raise BadConfig(f"{out_dir} is there already", mend="name a new folder with --out")
    text = (source / VERDICT).read_text(encoding="utf-8")
    with_thresholds = _replaced(text, _yaml(thresholds))
    shutil.copytree(source, out_dir)
    (out_dir / VERDICT).write_text(with_thresholds, encoding="utf-8")
    return read_config(out_dir)


def _replaced(text: str, block: str) -> str:
    """The text with another value of the key `calibrated`; all comments stay."""
    lines = text.splitlines(keepends=True)
    starts = [n for n, line in enumerate(lines) if line.startswith(KEY)]
    if len(starts) != 1:
        raise BadConfig(f"{VERDICT} has {len(starts)} lines that begin with {KEY}", mend="write it once")
    end = starts[0] + 1
    while end < len(lines) and lines[end].startswith((" ", "-")):
        end += 1
    return "".join([*lines[: starts[0]], block, *lines[end:]])


def _yaml(thresholds: Sequence[Calibrated]) -> str:
    if not thresholds:
        return f"{KEY} []\n"
    items = (
        f'  - {{lane: {t.lane.value}, engine: "{t.engine}", mode: {t.mode}, accept_below: {t.accept_below:g}, '
        f"alpha: {t.alpha:g}, delta: {t.delta:.6g}, labels: {t.labels},\n"
        f'     fitted_on: "{t.fitted_on}", date: "{t.date}"}}\n'
        for t in thresholds
    )
    return f"{KEY}\n{''.join(items)}"
