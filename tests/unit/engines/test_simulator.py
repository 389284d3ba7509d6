"""The simulator: what it says it injected is what it did, at the stated rates, by the seed alone."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from broker.settings import Settings
from rules.engines import EngineKind
from schemas.errors import BadConfig
from schemas.events import Box, Edit, RenderFailure
from tests import renders
from workers.checks.port import Scene
from workers.checks.readers import open_readers
from workers.engines import damage, poster, registry
from workers.engines.damage import RATES, Damage
from workers.engines.port import Rendered
from workers.engines.simulator import Simulator

PROFILE = renders.profile(EngineKind.SIMULATOR)
SIZE = (384, 512)


def render(
    fate: Damage | None, texts: tuple[str, ...] = ("OPEN DAILY",), *, seed: int = 3, brand: bool = True
) -> Rendered:
    rates = {} if fate is None else {fate: 1.0}
    engine = Simulator(PROFILE, lambda _: renders.NORTHWIND if brand else (), rates)
    result = engine.render([renders.request(texts=texts, seed=seed, size=SIZE)], {})[0]
    assert isinstance(result, Rendered), result
    return result


def test_an_edit_draws_its_boxes_anew_and_keeps_the_rest() -> None:
    first = render(None, seed=3).encoded()
    edit = Edit(source_sha256="a" * 64, boxes=(Box(left=10, top=20, right=200, bottom=90),), strength=0.9)
    asked = replace(renders.request(texts=("OPEN DAILY",), seed=4, size=SIZE), edit=edit)
    engine = Simulator(replace(PROFILE, edits=True), lambda _: renders.NORTHWIND, {})
    (mended,) = engine.render([asked], {"a" * 64: first})
    assert isinstance(mended, Rendered)
    before, after = (np.asarray(Image.open(io.BytesIO(b)).convert("RGB")) for b in (first, mended.encoded()))
    changed = (before != after).any(axis=2)
    assert changed[20:90, 10:200].any()
    changed[20:90, 10:200] = False
    assert not changed.any()
    twice = Image.open(io.BytesIO(first)).resize((SIZE[0] * 2, SIZE[1] * 2), Image.Resampling.NEAREST)
    enlarged = Edit(source_sha256="b" * 64, boxes=(Box(left=20, top=40, right=400, bottom=180),), strength=0.9)
    (again,) = engine.render([replace(asked, edit=enlarged)], {"b" * 64: poster.encode(twice)})
    assert isinstance(again, Rendered)  # an asset that finishing had enlarged is mended at the job's size
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(again.encoded())).convert("RGB")), after)
    (small,) = engine.render([asked], {"a" * 64: poster.encode(Image.new("RGB", (64, 64)))})
    (gone,) = engine.render([asked], {})
    for refused, why in ((small, "is 64 x 64, not 384 x 512"), (gone, "cannot be mended")):
        assert isinstance(refused, RenderFailure)
        assert why in refused.message


def test_the_rates_hold_over_many_seeds() -> None:
    seeds = 20_000
    seen = Counter(damage.drawn_for(s) for s in range(seeds))
    for fate, rate in RATES.items():
        # Five standard deviations of a binomial share.
        assert abs(seen[fate] / seeds - rate) < 5 * (rate / seeds) ** 0.5
    assert 0.35 <= sum(RATES.values()) <= 0.40


def test_too_high_a_guidance_breaks_a_share_that_grows_with_it() -> None:
    seeds = range(4_000)
    broken = {g: {s for s in seeds if damage.broken_by(g, s) is Damage.NOISE} for g in (8.0, 9.0, 9.5, 10.0)}
    assert not broken[8.0]
    assert broken[9.0] < broken[9.5] < broken[10.0] == set(seeds)
    assert 0.46 < len(broken[9.0]) / len(seeds) < 0.54  # five standard deviations of a half
    asked = [renders.request(seed=s, size=(128, 128), guidance=9.0) for s in range(6)]
    drawn = Simulator(PROFILE, lambda _: renders.NORTHWIND, {}).render(asked, {})
    assert [r.injected == ("latent-noise",) for r in drawn if isinstance(r, Rendered)] == [
        s in broken[9.0] for s in range(6)
    ]


def test_the_damage_of_a_seed_is_the_same_under_every_profile() -> None:
    other = renders.profile(EngineKind.HTTP, batch=2)
    asked = [renders.request(texts=["OPEN"], seed=s, size=(128, 128)) for s in range(12)]
    one, two = (Simulator(p, lambda _: renders.NORTHWIND).render(asked, {}) for p in (PROFILE, other))
    assert one == two


@pytest.mark.parametrize("fate", list(Damage))
def test_every_damage_is_done_and_said(fate: Damage) -> None:
    clean, spoilt = render(None), render(fate)
    assert clean.injected == ()
    assert spoilt.injected == (fate.value,)
    assert spoilt.encoded() != clean.encoded()
    assert (spoilt.width, spoilt.height) == SIZE
    assert spoilt.latents is None


def test_broken_bytes_do_not_decode() -> None:
    with pytest.raises(UnidentifiedImageError, match="cannot identify image file"):
        Image.open(io.BytesIO(render(Damage.GARBAGE).encoded()))
    with pytest.raises(OSError, match=r"truncated|broken"):
        Image.open(io.BytesIO(render(Damage.TRUNCATED).encoded())).load()


def test_black_is_black_and_a_wrong_size_is_wrong() -> None:
    assert np.asarray(Image.open(io.BytesIO(render(Damage.BLACK_FRAME).encoded()))).max() == 0
    assert Image.open(io.BytesIO(render(Damage.WRONG_SIZE).encoded())).size != SIZE


@pytest.mark.parametrize("fate", sorted(damage.IN_TEXT))
def test_a_picture_without_text_has_no_text_damage(fate: Damage) -> None:
    assert render(fate, ()) == render(None, ())


def test_a_cast_without_a_brand_is_left_out() -> None:
    assert render(Damage.COLOUR_CAST, brand=False).injected == ()


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("fate", sorted(damage.IN_TEXT))
def test_text_damage_changes_the_letters(fate: Damage, seed: int) -> None:
    phrases = ["SLOW MORNINGS", "5 OCTOBER"]
    spoilt = damage.spoil_text(phrases, fate, damage.generator(seed))
    assert spoilt != phrases
    change = {Damage.DROPPED_LETTER: -1, Damage.DOUBLED_LETTER: 1}.get(fate, 0)
    assert sum(map(len, spoilt)) == sum(map(len, phrases)) + change


def test_a_reader_reads_the_undamaged_text_and_sees_the_stray() -> None:
    reader = open_readers(("rapidocr",))[0]

    def read(fate: Damage | None, texts: tuple[str, ...]) -> str:
        pixels = np.asarray(Image.open(io.BytesIO(render(fate, texts).encoded())).convert("RGB"))
        return " ".join(w.text for w in reader.read([Scene(pixels=pixels)])[0].words).upper()

    seen = read(None, ("SLOW MORNINGS", "5 OCTOBER"))
    assert all(word in seen for word in ("SLOW", "MORNINGS", "OCTOBER")), seen
    # A lone mark may be read into any picture; the verdict counts stray text from three characters.
    assert len(read(None, ()).strip()) <= 2
    assert any(word in read(Damage.STRAY_TEXT, ()) for word in ("SALE", "OFFER", "SEASON", "ORDER", "PRICE"))


def test_the_registry_says_what_runs_here_and_why_not() -> None:
    engines = {p.id: p for p in (renders.profile(k) for k in EngineKind)}
    states = {a.engine: a for a in registry.available(Settings.model_validate({}), engines)}
    assert states["typeset-test"].runs
    assert states["simulator-test"].runs
    assert not states["http-test"].runs
    assert not states["sd3-test"].runs
    assert all(a.why for a in states.values())
    with pytest.raises(BadConfig, match="http-test cannot run here"):
        registry.build(engines["http-test"], Settings.model_validate({}), lambda _: ())
    assert registry.stand_in(engines["http-test"], lambda _: ()).backend == "simulator"
