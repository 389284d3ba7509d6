"""What `presscheck bench what-if` promises: every prompt counted, a million in time, memory within its bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ops.bench.what_if import LIMIT_MIB, LIMIT_S, WhatIfFigures

KEPT = WhatIfFigures(
    machine="a machine",
    load_before=0.1,
    load_after=0.2,
    prompts=200_000,
    counted=200_000,
    changed=50_000,
    workers=2,
    seconds=20.0,
    cpu_s=40.0,
    peak_mib=163.0,
    limit_s=LIMIT_S,
    limit_mib=LIMIT_MIB,
)


def test_a_million_is_reckoned_at_the_rate_that_was_measured() -> None:
    assert (KEPT.a_second, KEPT.million_s, KEPT.cpu_ms_each) == (10_000, 100, 0.2)
    assert (LIMIT_S, LIMIT_MIB) == (120, 512)
    assert KEPT.within_limits


@pytest.mark.parametrize(
    ("measured", "kept"),
    [
        ({"counted": 199_999}, False),
        ({"seconds": 23.9}, True),
        ({"seconds": 24.1}, False),
        ({"peak_mib": 512.0}, True),
        ({"peak_mib": 512.1}, False),
    ],
)
def test_each_promise_counts(measured: dict[str, Any], kept: bool) -> None:
    assert replace(KEPT, **measured).within_limits is kept
