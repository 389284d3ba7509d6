"""Beside its campaign: the same picture again is found however it was saved, and drift is measured."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from rules.drift import drift_defects
from rules.findings import Numbers
from schemas import ids
from schemas.events import AssetLook, RenderRequest
from tests.corpus import Kind, draw, rendering_for, request_for
from tests.unit.rules import samples
from workers.checks.campaign import CampaignMemory, NoCampaigns
from workers.checks.likeness import DriftCheck, DuplicateCheck
from workers.checks.palette import colour_of, palette_distance
from workers.checks.phash import distance, phash
from workers.checks.port import NOTHING, Broken, Decoded, Findings, Pixels, Subject
from workers.colour import lab_to_srgb, srgb_to_lab

LIMITS = samples.ruleset().thresholds.limits
SAME = int(LIMITS["duplicate.bits_max"])
KINDS = (Kind.RIGHT, Kind.DECORATED, Kind.NO_TEXT)
PALETTE = ("#20302a", "#e9e4d8", "#d8572a", "#f0b429")


def poster(seed: int) -> Pixels:
    return draw(seed, KINDS[seed % len(KINDS)], size=(256, 320)).pixels


GROUND = poster(0)[::4, ::4]


def saved(image: Image.Image, kind: str, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, kind, quality=quality)
    return Image.open(out).convert("RGB")


def again(pixels: Pixels) -> list[Image.Image]:
    """The same picture as it comes back: saved small, resized."""
    image = Image.fromarray(pixels)
    size = image.size
    return [
        saved(image, "JPEG", 40),
        saved(image, "WEBP", 50),
        image.resize((size[0] // 2, size[1] // 2)),
        image.resize((size[0] * 2, size[1] * 2)),
        image.resize((size[0] // 3, size[1] // 3)).resize(size),
    ]


def look(key: str, pixels: Pixels, *, campaign: str = "winter", palette: Sequence[str] = ()) -> AssetLook:
    return AssetLook(
        event_id=ids.event_id(key, "look"),
        at_ms=1,
        job_id=ids.job_id(key),
        campaign=campaign,
        engine="simulator",
        asset_sha256="e" * 64,
        phash=phash(pixels),
        palette_distance=palette_distance(pixels, palette) if palette else None,
        colour=tuple(float(v) for v in colour_of(pixels)),
    )


def request(key: str = "own", campaign: str = "winter") -> RenderRequest:
    plain = request_for(())
    return replace(plain, job=replace(plain.job, job_id=ids.job_id(key), idempotency_key=key, campaign=campaign))


def subject(pixels: Pixels, key: str = "own", *, campaign: str = "winter", palette: tuple[str, ...] = ()) -> Subject:
    image = Decoded(pixels=pixels, media_type="image/png")
    return Subject(data=b"", image=image, request=request(key, campaign), rendering=rendering_for(b""), palette=palette)


def memory(*looks: AssetLook, **bounds: int) -> CampaignMemory:
    made = CampaignMemory(**bounds)
    for one in looks:
        made.take(one.job_id, one)
    return made


@pytest.mark.parametrize("seed", range(12))
def test_the_same_picture_again_differs_in_few_bits(seed: int) -> None:
    own = phash(poster(seed))
    assert max(distance(own, phash(np.asarray(other))) for other in again(poster(seed))) <= SAME


def test_different_pictures_differ_in_many_bits() -> None:
    hashes = [phash(poster(seed)) for seed in range(40)]
    assert min(distance(a, b) for a, b in combinations(hashes, 2)) > 1.5 * SAME


def test_the_hash_is_256_bits_and_a_distance_is_one() -> None:
    one, two, three = (phash(poster(seed)) for seed in range(3))
    assert len(one) * 4 == 256
    assert distance(one, one) == 0
    assert distance(one, two) == distance(two, one)
    assert distance(one, three) <= distance(one, two) + distance(two, three)
    assert phash(np.zeros((1, 1, 3), dtype=np.uint8)) == phash(np.zeros((90, 40, 3), dtype=np.uint8))


def test_the_nearest_of_the_campaign_is_the_neighbour() -> None:
    same = np.asarray(again(poster(1))[0])
    found = DuplicateCheck(memory(look("a", poster(2)), look("b", poster(1)), look("c", poster(3)))).measure(
        subject(same)
    )
    assert found.phash == phash(same)
    assert found.neighbour is not None
    assert found.neighbour.job_id == ids.job_id("b")
    assert found.neighbour.distance <= SAME


def test_an_asset_is_never_its_own_neighbour_nor_that_of_another_campaign() -> None:
    unknown = replace(look("n", poster(1)), phash=None)
    check = DuplicateCheck(memory(look("own", poster(1)), look("x", poster(1), campaign="summer"), unknown))
    assert check.measure(subject(poster(1))).neighbour is None
    assert check.measure(subject(poster(1), campaign="")).neighbour is None


def test_alone_there_is_a_hash_and_no_drift() -> None:
    assert DuplicateCheck(NoCampaigns()).measure(subject(poster(1))).neighbour is None
    assert DriftCheck(NoCampaigns()).measure(subject(poster(1))) == NOTHING
    broken = replace(subject(poster(1)), image=Broken(reason=""))
    for check in (DuplicateCheck(NoCampaigns()), DriftCheck(NoCampaigns())):
        assert check.measure(broken) == NOTHING


def test_the_memory_is_bounded_and_the_quiet_go_first() -> None:
    held = memory(*(look(f"k{n}", poster(0)) for n in range(5)), assets=3)
    assert [k.job_id for k in held.former("winter", "")] == [ids.job_id(f"k{n}") for n in (2, 3, 4)]
    wide = memory(look("a", poster(0), campaign="a"), look("b", poster(0), campaign="b"), campaigns=2)
    assert wide.former("a", "")  # asked for, so the other one is quieter now
    wide.take("c", look("c", poster(0), campaign="c"))
    assert (len(wide.former("a", "")), len(wide.former("b", "")), len(wide.former("c", ""))) == (1, 0, 1)


def test_a_later_look_of_a_job_takes_the_place_of_its_earlier_one() -> None:
    held = memory(look("a", poster(0)), look("b", poster(0)), look("a", poster(1)))
    assert [k.phash for k in held.former("winter", "")] == [phash(poster(0)), phash(poster(1))]
    held.take("a", None)
    held.take("a", samples.submitted(samples.job()))
    assert len(held.former("winter", "")) == 2


def tinted(rng: np.random.Generator, spread: float) -> Pixels:
    """A picture of the campaign: its colours moved a little or a lot, each in its own way."""
    shift = rng.normal(0, spread, 3) * (0.4, 1, 1)
    return lab_to_srgb(srgb_to_lab(GROUND) * 0.3 + (50, 0, 0) + shift)


def campaign(spread: float, palette: tuple[str, ...], *, first: int = 12, then: int = 20, seed: int = 0) -> list[bool]:
    """Which assets are flagged: `first` of natural spread, then those whose colours are spread as told."""
    rng = np.random.default_rng(seed)
    held = CampaignMemory()
    check = DriftCheck(held)
    out: list[bool] = []
    for n in range(first + then):
        pixels = tinted(rng, 3.0 if n < first else spread)
        found: Findings = check.measure(subject(pixels, f"j{n}", palette=palette))
        flagged = bool(drift_defects(Numbers(found.measurements), LIMITS))
        if not flagged:
            held.take("", look(f"j{n}", pixels, palette=palette))
        out.append(flagged)
    return out


@pytest.mark.parametrize("palette", [(), PALETTE])
def test_wildly_inconsistent_colour_is_flagged_and_natural_spread_is_not(palette: tuple[str, ...]) -> None:
    steady = sum(sum(campaign(3.0, palette, seed=s)) for s in range(4))
    wild = campaign(45.0, palette)
    assert steady <= 2  # of 80 assets
    assert sum(wild[12:]) >= 4  # the others lie near the middle, or nearer to the brand
    assert not any(wild[:8])


def test_drift_is_measured_in_numbers_alone() -> None:
    held = memory(*(look(f"k{n}", poster(n), palette=PALETTE) for n in range(4)))
    got = {m.name: m.value for m in DriftCheck(held).measure(subject(poster(9), palette=PALETTE)).measurements}
    assert set(got) == {"count", "mean", "sigma", "value", "ewma", "spread"}
    assert got["count"] == 4
    assert got["value"] == pytest.approx(np.log1p(palette_distance(poster(9), PALETTE)))
    bare = memory(replace(look("k", poster(1)), colour=()), look("m", poster(2)))
    assert DriftCheck(bare).measure(subject(poster(9), palette=PALETTE)) == NOTHING
