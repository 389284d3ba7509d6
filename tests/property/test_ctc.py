"""The forward algorithm against the sum over every path."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.checks.ctc import BLANK, IMPOSSIBLE, Table, decode, log_likelihood, log_likelihoods


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns, entries = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    numbers = draw(st.lists(st.floats(0.01, 1), min_size=columns * entries, max_size=columns * entries))
    raw = np.array(numbers, np.float32).reshape(columns, entries)
    return raw / raw.sum(axis=1, keepdims=True)


def spelt(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(entry for entry, _ in groupby(path) if entry != BLANK)


@given(table=tables(), wanted=st.lists(st.integers(1, 3), max_size=4))
def test_it_sums_over_every_path_that_spells_the_text(table: Table, wanted: list[int]) -> None:
    wanted = [e for e in wanted if e < table.shape[1]]
    paths = product(range(table.shape[1]), repeat=len(table))
    total = sum(float(np.prod([table[i, e] for i, e in enumerate(p)])) for p in paths if spelt(p) == tuple(wanted))
    found = log_likelihood(table, wanted)
    if total == 0:
        assert found <= IMPOSSIBLE / 2
    else:
        assert found == pytest.approx(np.log(total), abs=1e-3)


@given(table=tables())
def test_what_is_decoded_has_one_place_and_one_confidence_each(table: Table) -> None:
    found = decode(table)
    assert len(found.entries) == len(found.columns) == len(found.confidences)
    assert list(found.columns) == sorted(found.columns)
    assert found.entries == spelt(tuple(int(e) for e in table.argmax(axis=1)))


@given(
    table=tables(),
    texts=st.integers(0, 3).flatmap(
        lambda n: st.lists(st.lists(st.integers(1, 3), min_size=n, max_size=n), min_size=1, max_size=4)
    ),
)
def test_texts_of_one_length_go_together(table: Table, texts: list[list[int]]) -> None:
    texts = [[min(e, table.shape[1] - 1) for e in text] for text in texts]
    assert log_likelihoods(table, texts) == pytest.approx([log_likelihood(table, text) for text in texts], abs=1e-3)


def test_no_texts_have_no_likelihoods_and_texts_of_two_lengths_are_refused() -> None:
    table = np.full((4, 3), 1 / 3, np.float32)
    assert log_likelihoods(table, []) == []
    with pytest.raises(ValueError, match="inhomogeneous"):
        log_likelihoods(table, [[1], [1, 2]])
