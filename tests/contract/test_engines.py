"""What every engine keeps to: the simulator, typeset, sd3 with a tiny pipeline of the real classes, and hosted engines.

Hosted engines speak to a server on this machine that keeps to their contracts; slots are in a real database.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from audit.migrate import migrate
from rules.engines import EngineKind, HostedApi
from schemas.events import FailureKind, RenderFailure, RenderRequest
from tests import hosted_server, renders
from tests.hosted_engines import Made
from workers.engines.art import Painter
from workers.engines.port import Cancelled, Engine, Rendered
from workers.engines.simulator import Simulator
from workers.engines.typeset import Typeset

Pixels = npt.NDArray[np.int16]
SUBJECTS = ("simulator", "typeset", "typeset-over-art", "sd3", "ideogram", "stability")
"""Every kind of engine, hosted ones by their API."""


@dataclass(frozen=True)
class Subject:
    """An engine and how to ask it for something."""

    engine: Engine
    ask: Callable[..., RenderRequest]
    too_large: tuple[int, int]
    exact: bool
    """Whether a batch gives the very bytes that a job alone gives, and not only pixels within one step."""
    device: str = "cpu"
    reaches: frozenset[tuple[str, int]] = frozenset()
    """Addresses that it may connect to."""


def _drawn(kind: EngineKind) -> Subject:
    profile = renders.profile(kind, max_pixels=1024 * 1024)

    def ask(**given: Any) -> RenderRequest:
        usual: dict[str, Any] = {"texts": ["OPEN DAILY"], "size": (320, 256)}
        return renders.request(**{**usual, **given})

    engine = (
        Typeset(profile, lambda _: renders.NORTHWIND)
        if kind is EngineKind.TYPESET
        else Simulator(profile, lambda _: renders.NORTHWIND, {})
    )
    return Subject(engine=engine, ask=ask, too_large=(2048, 2048), exact=True)


def _over_art() -> Subject:
    """Typeset over the art of a second real engine, the simulator without damage."""
    painter = replace(renders.profile(EngineKind.SIMULATOR, max_pixels=512 * 512), id="painter")
    profile = replace(renders.profile(EngineKind.TYPESET, max_pixels=1024 * 1024), art="painter")
    second = Simulator(painter, lambda _: renders.NORTHWIND, {})
    engine = Typeset(
        profile, lambda _: renders.NORTHWIND, art=lambda _engine, _ruleset: Painter(profile=painter, engine=second)
    )
    return replace(_drawn(EngineKind.TYPESET), engine=engine)


def _sd3(folder: Path) -> Subject:
    pytest.importorskip("diffusers")
    from tests import sd3_tiny
    from workers.engines import sd3

    profile = renders.profile(
        EngineKind.SD3, scheduler=renders.EULER, steps=2, guidance=3.5, max_pixels=128 * 128, batch=4
    )

    def ask(**given: Any) -> RenderRequest:
        usual: dict[str, Any] = {"size": (64, 80), "scheduler": renders.EULER, "steps": 2, "guidance": 3.5}
        return renders.request(**{**usual, **given})

    return Subject(engine=sd3.load(profile, sd3_tiny.build(folder), "cpu"), ask=ask, too_large=(256, 256), exact=False)


@contextmanager
def _hosted(api: HostedApi, dsn: str) -> Generator[Subject]:
    migrate(dsn)

    def ask(**given: Any) -> RenderRequest:
        usual: dict[str, Any] = {"size": (320, 256)}
        return renders.request(**{**usual, **given})

    with hosted_server.serve() as server:
        server.long_side = 400  # its pictures have another size than the one asked for, and for Ideogram another shape
        port = urlsplit(server.url).port
        assert port is not None
        yield Subject(
            engine=Made(api=api, server=server, dsn=dsn).engine(),
            ask=ask,
            too_large=(2048, 2048),
            exact=True,
            device="127.0.0.1",
            reaches=frozenset({("127.0.0.1", port)}),
        )


@pytest.fixture(
    scope="module", params=[pytest.param(n, marks=pytest.mark.models) if n == "sd3" else n for n in SUBJECTS]
)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    if request.param == "sd3":
        yield _sd3(tmp_path_factory.mktemp("sd3"))
    elif request.param in {"ideogram", "stability"}:
        with _hosted(HostedApi(request.param), request.getfixturevalue("postgres")) as its:
            yield its
    else:
        yield _over_art() if request.param == "typeset-over-art" else _drawn(EngineKind(request.param))


class Watch:
    """Notes every attempt to connect while it is on (an audit hook cannot be taken away again), but to `reaches`."""

    def __init__(self) -> None:
        self.on, self.seen, self.reaches = False, list[str](), frozenset[tuple[str, int]]()
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on or event not in {"socket.connect", "socket.getaddrinfo"}:
            return
        to = args[1] if event == "socket.connect" else args[:2]
        if to not in self.reaches:
            self.seen.append(f"{event} {args!r}")


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.fixture(autouse=True)
def no_network(subject: Subject, watch: Watch) -> Iterator[None]:
    watch.on, watch.reaches = True, subject.reaches
    yield
    watch.on = False
    assert watch.seen == []


def _pixels(result: Rendered | RenderFailure) -> Pixels:
    assert isinstance(result, Rendered), result
    image = Image.open(io.BytesIO(result.encoded()))
    image.load()
    assert image.size == (result.width, result.height)
    return np.asarray(image.convert("RGB"), dtype=np.int16)


def test_one_result_for_each_request_in_order(subject: Subject) -> None:
    asked = [subject.ask(seed=s) for s in (3, 1, 2)]
    results = subject.engine.render(asked, {})
    assert len(results) == 3
    for one, result in zip(asked, results, strict=True):
        alone = subject.engine.render([one], {})[0]
        # One step of 255: a batch may add up its floats in another order.
        assert np.abs(_pixels(result) - _pixels(alone)).max() <= (0 if subject.exact else 1)


def test_the_declared_size_is_the_decoded_one_and_the_one_asked_for(subject: Subject) -> None:
    one = subject.ask(seed=5)
    result = subject.engine.render([one], {})[0]
    assert _pixels(result).shape == (one.job.height, one.job.width, 3)
    assert isinstance(result, Rendered)
    assert (result.width, result.height, result.media_type) == (one.job.width, one.job.height, "image/png")
    assert result.injected == ()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_picture(subject: Subject) -> None:
    first, again, other = (subject.engine.render([subject.ask(seed=s)], {})[0] for s in (11, 11, 12))
    assert isinstance(first, Rendered)
    assert isinstance(again, Rendered)
    assert first.encoded() == again.encoded()
    assert (first.facts, first.cut, first.keep) == (again.facts, again.cut, again.keep)
    assert not np.array_equal(_pixels(first), _pixels(other))


def test_an_invalid_request_is_a_failure_and_harms_no_batch_mate(subject: Subject) -> None:
    good, large = subject.ask(seed=1), subject.ask(seed=2, size=subject.too_large)
    odd = subject.ask(seed=3, scheduler="DDIMScheduler")
    results = subject.engine.render([large, good, odd], {})
    assert isinstance(results[0], RenderFailure)
    assert results[0].kind is FailureKind.INVALID_REQUEST
    assert isinstance(results[2], RenderFailure)
    assert "DDIMScheduler" in results[2].message
    assert np.array_equal(_pixels(results[1]), _pixels(subject.engine.render([good], {})[0]))


def test_parking_leaves_the_accelerator_and_the_next_render_comes_back(subject: Subject) -> None:
    engine, asked = subject.engine, subject.ask(seed=21)
    before = engine.render([asked], {})[0]
    held = engine.resident_bytes
    assert held >= 0
    engine.park()
    assert engine.resident_bytes == 0
    engine.park()
    assert np.array_equal(_pixels(before), _pixels(engine.render([asked], {})[0]))
    assert engine.resident_bytes == held


class CallsOff:
    """A Watch that notes what it is told, and calls a batch off after some steps."""

    def __init__(self, after: int) -> None:
        self.after, self.seen = after, list[tuple[int, int]]()

    def step(self, done: int, of: int) -> None:
        self.seen.append((done, of))
        if len(self.seen) >= self.after:
            raise Cancelled


def test_steps_count_up_and_a_batch_that_is_called_off_leaves_the_engine_whole(subject: Subject) -> None:
    asked = [subject.ask(seed=s) for s in (31, 32)]
    before = subject.engine.render(asked, {})
    watch = CallsOff(after=99)
    subject.engine.render(asked, {}, watch)
    assert all(1 <= done <= of for done, of in watch.seen)
    # Setting text over painted art counts from one again.
    assert all(done > before or done == 1 for (before, _), (done, _) in pairwise(watch.seen))
    with pytest.raises(Cancelled):
        subject.engine.render(asked, {}, CallsOff(after=1))
    for one, other in zip(before, subject.engine.render(asked, {}), strict=True):
        assert np.array_equal(_pixels(one), _pixels(other))


def test_no_requests_no_results(subject: Subject) -> None:
    assert list(subject.engine.render([], {})) == []


def test_batches_are_bounded(subject: Subject) -> None:
    assert 1 <= subject.engine.max_batch(subject.ask()) <= 8
    assert subject.engine.max_batch(subject.ask(size=subject.too_large)) == 1


def test_what_may_not_share_a_batch_has_another_key(subject: Subject) -> None:
    key = subject.engine.batch_key
    assert key(subject.ask(seed=1)) == key(subject.ask(seed=2))
    assert key(subject.ask()) != key(subject.ask(size=(96, 96)))


def test_it_says_what_it_is(subject: Subject) -> None:
    engine = subject.engine
    assert engine.backend in {"simulator", "typeset", "diffusers", "ideogram", "stability"}
    assert engine.device == subject.device
    assert 64 < len(engine.model_digest) <= 128
