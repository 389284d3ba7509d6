"""A campaign's chart: limits once there are enough assets, what lies beyond them, and pictures made twice."""

from __future__ import annotations

from ops.campaign_plot import campaign_plot
from ops.campaigns import points, twins
from schemas import ids
from schemas.events import AssetLook
from tests.unit.rules.samples import ruleset


def look(
    number: int, distance: float | None, colour: tuple[float, ...] = (60, 0, 0), phash: str | None = None
) -> AssetLook:
    job_id = ids.job_id(f"look-{number}")
    return AssetLook(
        event_id=ids.event_id(job_id, "look"),
        at_ms=number,
        job_id=job_id,
        campaign="spring & autumn",
        engine="simulator",
        asset_sha256="a" * 64,
        phash=phash,
        palette_distance=distance,
        colour=colour,
    )


def test_the_limit_stands_from_the_least_count_on_and_tells_what_lies_beyond() -> None:
    kept = [look(n, 3 + n % 3) for n in range(12)] + [look(12, 90.0)]
    seen = points(kept, ruleset(), 50)
    assert [p.limit is None for p in seen] == [True] * 8 + [False] * 5
    assert [p.beyond for p in seen] == [False] * 12 + [True]
    assert points(kept, ruleset(), 4) == seen[-4:]
    drawn = campaign_plot("spring & autumn", seen)
    assert drawn.count("<circle") == 13
    assert "spring &amp; autumn" in drawn
    assert campaign_plot("nothing", []).count("<circle") == 0


def test_without_a_brand_the_distance_is_to_the_mean_of_those_before() -> None:
    kept = [look(n, None, (60 + n % 2, 0, 0)) for n in range(9)] + [look(9, None, (5, 40, 40)), look(10, None, ())]
    seen = points(kept, ruleset(), 50)
    assert len(seen) == 10
    assert seen[0].distance == 0
    assert seen[-1].beyond
    assert seen[-1].distance > 50


def test_pictures_alike_are_listed_most_alike_first() -> None:
    kept = [look(0, 1, phash="00" * 32), look(1, 1, phash="0f" + "00" * 31), look(2, 1, phash="ff" * 32), look(3, 1)]
    kept.append(look(4, 1, phash="01" + "00" * 31))
    assert [(t.first.at_ms, t.second.at_ms, t.bits) for t in twins(kept, ruleset())] == [
        (0, 4, 1),
        (1, 4, 3),
        (0, 1, 4),
    ]
