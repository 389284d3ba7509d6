"""The exact numbers behind a calibration: tails, limits, labels that are missing, and where the sequence begins."""

from __future__ import annotations

import math

import pytest

from rules.calibration import BUCKETS, MOST_LABELS, Counts, Standing, fit, labels_needed, lower_tail, upper_limit

Row = dict[int, int]


def counts(labelled: Row, wrong: Row | None = None, placing: Row | None = None) -> Counts:
    def row(found: Row | None) -> tuple[int, ...]:
        return tuple((found or {}).get(b, 0) for b in range(BUCKETS))

    return Counts(labelled=row(labelled), wrong=row(wrong), placing=row(labelled if placing is None else placing))


def test_the_tail_is_the_binomials():
    assert lower_tail(0, 10, 0.5) == pytest.approx(2**-10)
    assert lower_tail(2, 10, 0.5) == pytest.approx((1 + 10 + 45) / 1024)
    assert lower_tail(10, 10, 0.5) == lower_tail(0, 0, 0.5) == 1
    exact = sum(math.comb(300, k) * 0.01**k * 0.99 ** (300 - k) for k in range(6))
    assert lower_tail(5, 300, 0.01) == pytest.approx(exact)
    assert lower_tail(1_000, 200_000, 0.005) == pytest.approx(0.5, abs=0.02)  # no underflow


def test_the_limit_of_none_wrong_is_known_in_closed_form():
    assert upper_limit(0, 300, 0.05) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert upper_limit(0, 0, 0.05) == upper_limit(7, 7, 0.05) == 1
    assert lower_tail(3, 500, upper_limit(3, 500, 0.05)) == pytest.approx(0.05)


def test_labels_needed_where_none_is_wrong():
    assert labels_needed(0, 0.01, 0.05) == math.ceil(math.log(0.05) / math.log(0.99)) == 299
    assert labels_needed(1, 0.01, 0.05) == 473  # tables of zero- and one-defect sampling plans
    assert labels_needed(0, 0.5, 0.5) == 1
    assert labels_needed(0, 1e-9, 0.05) == MOST_LABELS


def test_sound_labels_bring_the_loosest_threshold():
    found = fit(counts({0: 200, 50: 99}), alpha=0.01, delta=0.05, tighter=0.005)
    assert (found.standing, found.accept_below, found.missing) == (Standing.BOUNDED, 1.0, 0)
    assert (found.accepted, found.share) == (299, 1)
    assert found.upper <= 0.01
    assert found.missing_tighter == labels_needed(0, 0.005, 0.05) - 299


def test_one_label_too_few_promises_nothing():
    found = fit(counts({0: 298}), alpha=0.01, delta=0.05, tighter=0.005)
    assert (found.standing, found.missing) == (Standing.OPEN, 1)
    assert found.upper > 0.01


def test_no_labels_at_all():
    found = fit(counts({}), alpha=0.01, delta=0.05, tighter=0.005)
    assert (found.standing, found.labelled, found.share, found.missing, found.upper) == (Standing.OPEN, 0, 0, 299, 1)
    waits = fit(counts({}, placing={0: 50}), alpha=0.01, delta=0.05, tighter=0.005)
    assert (waits.standing, waits.missing) == (Standing.OPEN, 299)


def test_the_threshold_stops_before_the_defects():
    found = fit(counts({0: 1_000, 60: 100}, {60: 40}), alpha=0.01, delta=0.05, tighter=0.01)
    assert (found.standing, found.accept_below) == (Standing.BOUNDED, 0.6)
    assert (found.accepted, found.wrong) == (1_000, 0)
    assert found.share == pytest.approx(1_000 / 1_100)


def test_where_everything_is_wrong_nothing_is_accepted():
    found = fit(counts({10: 500}, {10: 100}), alpha=0.01, delta=0.05, tighter=0.01)
    assert (found.standing, found.accept_below) == (Standing.OVER, 0.0)


def test_a_doubt_of_one_is_never_accepted():
    found = fit(counts({100: 400}), alpha=0.01, delta=0.05, tighter=0.01)
    assert (found.standing, found.accepted) == (Standing.OPEN, 0)
    assert found.missing == 299


def test_labels_that_are_missing_are_counted_over_all_that_is_drawn():
    """Half of what is drawn lies under the threshold, so twice as many labels bring the rest."""
    found = fit(counts({0: 200, 100: 200}), alpha=0.01, delta=0.05, tighter=0.01)
    assert (found.standing, found.accepted, found.missing) == (Standing.OPEN, 200, 2 * 99)


def test_the_sequence_begins_where_assets_without_labels_say():
    """Labels spread over all doubts: it begins with a part of them, and the defects of the others do not matter."""
    spread = dict.fromkeys(range(100), 20)
    found = fit(counts(spread, dict.fromkeys(range(60, 100), 20)), alpha=0.01, delta=0.05, tighter=0.01)
    assert (found.standing, found.accept_below) == (Standing.BOUNDED, 0.6)
    alone = fit(counts(spread, dict.fromkeys(range(60, 100), 20), placing={}), alpha=0.01, delta=0.05, tighter=0.01)
    assert alone.standing is Standing.OVER  # with nothing to place it by, only the loosest threshold is tried


def test_few_labels_begin_where_none_may_be_wrong():
    """400 labels cannot bear a defect at the start, so it begins below high doubt: 299 and some for chance."""
    found = fit(counts({0: 320, 60: 80}, {60: 30}), alpha=0.01, delta=0.05, tighter=0.01)
    assert (found.standing, found.accept_below, found.accepted) == (Standing.BOUNDED, 0.6, 320)
