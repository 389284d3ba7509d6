"""Art under set text: from the engine the profile names, looked over for lettering, or a file, or drawn; facts say."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from rules.engines import EngineKind, EngineProfile
from schemas.errors import Transient
from schemas.events import FailureKind, FileRole, Preset, RenderFailure, RenderRequest, Rung
from tests import renders
from workers.engines import art, fonts, poster, registry
from workers.engines.art import NO_LETTERING, PAINTS, Painter, art_request, covering, painted_size
from workers.engines.port import NOBODY, Cancelled, Rendered, Watch
from workers.engines.simulator import Simulator
from workers.engines.typeset import Typeset

PAINTER = replace(
    renders.profile(
        EngineKind.SIMULATOR, scheduler=renders.EULER, steps=4, guidance=3.5, max_pixels=512 * 512, batch=2
    ),
    id="painter",
    size_multiple=16,
    file_roles=(),
    price_per_image_usd=0.04,
)
PROFILE = replace(
    renders.profile(EngineKind.TYPESET),
    art="painter",
    file_roles=(FileRole.LOGO, FileRole.LAYOUT, FileRole.INIT_IMAGE),
)


@dataclass
class Brush:
    """A small engine of its own: paints what it is told for each call, and notes what it was asked."""

    paints: list[str]
    asked: list[RenderRequest] = field(default_factory=list[RenderRequest])
    batches: list[int] = field(default_factory=list[int])
    backend = "brush"
    device = "cpu"
    model_digest = "brush:1"
    resident_bytes = 0

    def park(self) -> None:
        """It holds nothing."""

    def batch_key(self, request: RenderRequest) -> str:
        return f"{request.job.width}x{request.job.height}"

    def max_batch(self, request: RenderRequest) -> int:
        return 2

    def render(
        self, requests: Sequence[RenderRequest], files: Mapping[str, bytes], watch: Watch = NOBODY
    ) -> Sequence[Rendered | RenderFailure]:
        self.asked += requests
        self.batches.append(len(requests))
        watch.step(1, 1)
        return [self._paint(r, self.paints.pop(0)) for r in requests]

    def _paint(self, request: RenderRequest, what: str) -> Rendered | RenderFailure:
        if what == "fails":
            return RenderFailure(kind=FailureKind.BROKEN_LATENTS, message="latents are not finite")
        size = (request.job.width, request.job.height)
        image = Image.new("RGB", size, (40, 90 + request.sampling.seed % 64, 120))
        if what == "letters":
            poster.draw(
                image,
                [poster.arranged_in(image, ["GRAND SALE TODAY"], poster.LOOKS[0], (20, 20, size[0] - 20, 200), 0.5)],
                _palette(),
            )
        if what == "away":
            raise Transient("the painter is away")
        data = b"no picture" if what == "garbage" else poster.encode(image)
        return Rendered(picture=data, width=size[0], height=size[1], facts={"loading": "bf16"})


def _palette() -> poster.Palette:
    from workers.engines.palette import from_swatches

    return from_swatches(renders.HALDEN, 0)


def _typeset(*paints: str, profile: EngineProfile = PROFILE) -> tuple[Typeset, Brush]:
    brush = Brush(list(paints))

    def source(name: str, _ruleset_id: str) -> Painter | None:
        return Painter(profile=PAINTER, engine=brush) if name == "painter" else None

    return Typeset(profile, lambda _: renders.HALDEN, art=source), brush


def _asked(seed: int = 7, **given: object) -> RenderRequest:
    return renders.request(
        'A harbour at dawn with the headline "OPEN DAILY"', ["OPEN DAILY"], seed=seed, size=(400, 560)
    )


def _made(result: Rendered | RenderFailure) -> Rendered:
    assert isinstance(result, Rendered), result
    return result


def test_what_paints_is_that_of_the_ruleset_that_routed_the_request() -> None:
    asked: list[tuple[str, str]] = []
    engine = Typeset(PROFILE, lambda _: renders.HALDEN, art=lambda name, ruleset: asked.append((name, ruleset)))
    one, other = (replace(_asked(), ruleset_id=digit * 64) for digit in "12")
    assert engine.batch_key(one) != engine.batch_key(other)
    alone = Typeset(replace(PROFILE, art=None), lambda _: renders.HALDEN)
    assert alone.batch_key(one) == alone.batch_key(other)
    for request in (one, other):
        assert _made(engine.render([request], {})[0]).facts["art"] == "drawn"
    assert asked == [("painter", one.ruleset_id), ("painter", other.ruleset_id)]


def test_the_painter_is_asked_for_the_scene_and_for_no_text() -> None:
    engine, brush = _typeset("plain")
    made = _made(engine.render([_asked()], {})[0])
    (asked,) = brush.asked
    assert "OPEN" not in asked.prompt
    assert "headline" not in asked.prompt
    assert "harbour" in asked.prompt
    assert asked.text.phrases == ()
    assert asked.negative_prompt == NO_LETTERING
    assert (asked.job.files, asked.job.required_text, asked.edit, asked.rung) == ((), (), None, Rung.FIRST)
    assert asked.sampling == PAINTER.standard.sampling(Preset.STANDARD, 7)
    assert PAINTER.refuses(asked.sampling, asked) is None
    assert made.facts["art"] == "painter"
    assert made.facts["art_prompt"] == asked.prompt
    assert made.facts["art_model_digest"] == "brush:1"
    assert made.facts["art_loading"] == "bf16"
    assert (made.width, made.height) == (400, 560)
    # What it cost to paint, and typeset's own share.
    assert made.cost_usd == pytest.approx(0.04)


def test_art_with_lettering_is_painted_again_with_another_seed() -> None:
    engine, brush = _typeset("letters", "plain")
    made = _made(engine.render([_asked()], {})[0])
    first, second = (r.sampling.seed for r in brush.asked)
    assert first == 7
    assert second != 7
    assert made.facts["art"] == "painter"
    assert made.facts["art_seed"] == str(second)
    assert made.cost_usd == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("paints", "why"),
    [("letters", "painted lettering: 'GRAND"), ("fails", "broken_latents: latents are not"), ("garbage", "decode")],
)
def test_after_its_tries_drawn_art_takes_its_place_and_the_facts_say_why(paints: str, why: str) -> None:
    engine, brush = _typeset(*[paints] * PAINTS)
    made = _made(engine.render([_asked()], {})[0])
    assert len(brush.asked) == PAINTS
    assert made.facts["art"] == "drawn"
    assert why in made.facts["art_why"]
    plain = Typeset(PROFILE, lambda _: renders.HALDEN)
    assert made.encoded() == _made(plain.render([_asked()], {})[0]).encoded()


def test_without_the_painter_art_is_drawn_and_the_facts_say_why() -> None:
    made = _made(Typeset(PROFILE, lambda _: renders.HALDEN).render([_asked()], {})[0])
    assert dict(made.facts) == {"art": "drawn", "art_why": "painter is not served by this process"}
    none = Typeset(replace(PROFILE, art=None), lambda _: renders.HALDEN)
    assert dict(_made(none.render([_asked()], {})[0]).facts) == {"art": "drawn"}


def test_only_the_job_whose_art_failed_gets_drawn_art_and_batches_keep_to_the_painters_bound() -> None:
    engine, brush = _typeset("plain", "fails", "plain", "fails")
    results = [_made(r) for r in engine.render([_asked(seed) for seed in (1, 2, 3)], {})]
    assert [r.facts["art"] for r in results] == ["painter", "drawn", "painter"]
    assert brush.batches == [2, 1, 1]


def test_a_painter_that_is_away_is_waited_for_and_a_cancelled_batch_stops() -> None:
    with pytest.raises(Transient):
        _typeset("away")[0].render([_asked()], {})

    class Stop:
        def step(self, done: int, of: int) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        _typeset("plain")[0].render([_asked()], {}, Stop())


def test_a_painter_that_goes_away_in_the_middle_is_not_paid_twice_for_what_it_painted() -> None:
    engine, brush = _typeset("plain", "plain", "away")
    results = [_made(r) for r in engine.render([_asked(n) for n in range(3)], {})]
    assert [r.facts["art"] for r in results] == ["painter", "painter", "drawn"]
    assert results[2].facts["art_why"] == "painter went away: the painter is away"
    assert brush.batches == [2, 1]


def test_what_the_painter_refuses_is_drawn_with_the_reason() -> None:
    refusing = replace(PAINTER, steps=(20, 50))
    brush = Brush([])
    engine = Typeset(PROFILE, lambda _: (), art=lambda _engine, _ruleset: Painter(profile=refusing, engine=brush))
    assert "takes 20 to 50 steps" in _made(engine.render([_asked()], {})[0]).facts["art_why"]
    assert brush.asked == []


def test_the_digest_says_what_painted() -> None:
    engine, _ = _typeset("plain")
    before = engine.model_digest
    engine.render([_asked()], {})
    assert engine.model_digest != before
    assert 64 < len(engine.model_digest) <= 128


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_a_picture_of_the_clients_own_is_the_art_and_nobody_paints() -> None:
    own = Image.new("RGB", (300, 900), (200, 220, 230))
    ImageDraw.Draw(own).rectangle((0, 0, 300, 240), fill=(180, 20, 20))
    data = _png(own)
    ref = renders.file_ref(data, FileRole.INIT_IMAGE, "harbour.png")
    engine, brush = _typeset()
    asked = renders.request("x", ["OPEN"], size=(400, 560), files=[ref])
    made = _made(engine.render([asked], {ref.sha256: data})[0])
    assert brush.asked == []
    assert dict(made.facts) == {"art": "init_image", "art_file": "harbour.png", "art_enlarged": "from 300 x 900"}
    pixels = np.asarray(Image.open(io.BytesIO(made.encoded())).convert("RGB"))
    # Scaled to cover and cut evenly: the corners are the picture's own colours.
    assert tuple(pixels[-1, 0]) == (200, 220, 230)


def test_a_file_that_is_no_picture_fails_alone() -> None:
    ref = renders.file_ref(b"no picture", FileRole.INIT_IMAGE, "harbour.png")
    engine, _ = _typeset("plain")
    results = engine.render([renders.request("x", files=[ref], size=(400, 560)), _asked()], {ref.sha256: b"no picture"})
    assert isinstance(results[0], RenderFailure)
    assert "init image 'harbour.png'" in results[0].message
    assert isinstance(results[1], Rendered)


@pytest.mark.parametrize(
    ("size", "most", "step"),
    [((1024, 1024), 1024 * 1024, 16), ((3000, 1000), 1638400, 16), ((64, 64), 128 * 128, 16), ((500, 333), 2**22, 1)],
)
def test_art_is_painted_at_a_size_that_the_engine_takes_in_nearly_the_same_proportions(
    size: tuple[int, int], most: int, step: int
) -> None:
    profile = replace(PAINTER, batches=((most, 1),), size_multiple=step)
    wide, high = painted_size(profile, *size)
    assert profile.refuses_size(wide, high) is None
    assert wide / high == pytest.approx(size[0] / size[1], rel=0.12)
    request = art_request(renders.request("x", size=size), profile)
    assert (request.job.width, request.job.height) == (wide, high)
    assert covering(Image.new("RGB", (wide, high)), size).size == size


def test_texture_that_a_reader_takes_for_a_letter_is_no_lettering() -> None:
    rng = np.random.default_rng(1)
    grain = Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).resize((512, 512))
    assert art.lettering(grain, art.art_readers()) == ""


def test_a_repair_of_last_resort_paints_as_well() -> None:
    engine, brush = _typeset("plain")
    asked = replace(_asked(), attempt=2, rung=Rung.TYPESET)
    assert _made(engine.render([asked], {})[0]).facts["art"] == "painter"
    assert brush.asked[0].attempt == 2


def test_over_a_real_engine_the_same_seed_gives_the_same_bytes() -> None:
    simulator = Simulator(PAINTER, lambda _: renders.HALDEN, {})
    engine = Typeset(
        PROFILE, lambda _: renders.HALDEN, art=lambda _engine, _ruleset: Painter(profile=PAINTER, engine=simulator)
    )
    first, again, other = (_made(engine.render([_asked(s)], {})[0]) for s in (3, 3, 4))
    assert first == again
    assert first.encoded() != other.encoded()
    assert first.facts["art_backend"] == "simulator"


def test_another_process_gives_the_same_bytes() -> None:
    script = (
        "import hashlib\nfrom rules.engines import EngineKind\nfrom tests import renders\n"
        "from workers.engines.typeset import Typeset\n"
        "e = Typeset(renders.profile(EngineKind.TYPESET), lambda _: renders.HALDEN)\n"
        "r = e.render([renders.request('a harbour', ['Öppet dagligen', '10月1日'], seed=5, size=(320, 400))], {})[0]\n"
        "print(hashlib.sha256(r.encoded()).hexdigest(), e.model_digest)"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
            env={"PYTHONHASHSEED": seed, "LANG": lang, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed, lang in (("1", "C.UTF-8"), ("2", "ja_JP.UTF-8"))
    }
    assert len(seen) == 1


def test_the_registry_hands_the_source_and_the_faces_on() -> None:
    from broker.settings import Settings

    brush = Brush(["plain"])
    engine = registry.build(
        PROFILE,
        Settings.model_validate({}),
        lambda _: (),
        lambda _engine, _ruleset: Painter(profile=PAINTER, engine=brush),
    )
    assert _made(engine.render([_asked()], {})[0]).facts["art"] == "painter"
    assert fonts.here()[: len(fonts.ALL)] == fonts.ALL
