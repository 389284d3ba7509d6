"""The entry point: what is measured, what is left out, and when a second look is taken."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from schemas.errors import BadConfig
from schemas.events import Inspection, LatentStats, TextRead, Word
from tests.corpus import Kind, draw, rendering_for, request_for
from workers.checks.measure import TEXT, inspect_asset
from workers.checks.port import Scene, TextReader
from workers.checks.registry import CHECKS

ALL = (*CHECKS, TEXT)
POSTER = draw(3, Kind.RIGHT, size=(256, 320)).png()


class Typed:
    """A reader that was told what stands there."""

    def __init__(self, name: str, *lines: str) -> None:
        self.name = name
        self.lines = lines
        self.looks = 0

    def read(self, scenes: Sequence[Scene]) -> Sequence[TextRead]:
        self.looks += len(scenes)
        words = tuple(
            Word(
                text=line, confidence=0.99, box=(0.0, 40.0 * i, 99.0, 40.0 * i, 99.0, 40.0 * i + 30, 0.0, 40.0 * i + 30)
            )
            for i, line in enumerate(self.lines)
        )
        return [TextRead(reader=self.name, elapsed_ms=1.0, words=words) for _ in scenes]


def measured(
    data: bytes, *readers: TextReader, asked: tuple[str, ...] = (), media_type: str = "image/png"
) -> Inspection:
    return inspect_asset(
        data, request_for(asked), rendering_for(data, media_type), palette=(), checks=ALL, readers=readers
    )


def numbers(inspection: Inspection, check: str) -> dict[str, float]:
    return {m.name: m.value for m in inspection.measurements if m.check == check}


def test_a_whole_poster_is_measured_by_every_check() -> None:
    got = measured(POSTER, Typed("a"))
    assert numbers(got, "bytes") == {
        "decodes": 1, "size_bytes": len(POSTER), "format_matches": 1, "bits": 8, "inks": 0, "transparent_share": 0,
        "pictures": 1, "trailing_bytes": 0,
    }  # fmt: skip
    assert numbers(got, "size") == {"width_px": 256, "height_px": 320}
    assert {m.check for m in got.measurements} == {
        "bytes", "size", "blank", "noise", "palette", "aesthetic", "composition", "logo", "people", "tones",
    }  # fmt: skip
    assert got.errors == ()
    assert got.elapsed_ms > 0


def test_bytes_that_do_not_decode_are_a_finding_and_no_error() -> None:
    reader = Typed("a", "SALE")
    got = measured(POSTER[: len(POSTER) // 2], reader)
    assert numbers(got, "bytes")["decodes"] == 0
    assert {m.check for m in got.measurements} == {"bytes"}
    assert (got.reads, got.errors, reader.looks) == ((), (), 0)


def test_a_format_that_is_not_the_declared_one_is_measured() -> None:
    assert numbers(measured(POSTER, media_type="image/jpeg"), "bytes")["format_matches"] == 0


def test_latents_are_carried_over() -> None:
    rendering = rendering_for(POSTER, latents=LatentStats(finite=True, std=1.1, absmax=5.0))
    got = inspect_asset(POSTER, request_for(()), rendering, palette=(), checks=("latents",), readers=())
    assert numbers(got, "latents") == {"finite": 1, "std": 1.1, "absmax": 5.0}


def test_a_check_that_cannot_measure_is_an_error_and_the_others_go_on() -> None:
    got = inspect_asset(
        POSTER, request_for(()), rendering_for(POSTER), palette=("brick",), checks=("palette", "size"), readers=()
    )
    assert [e.check for e in got.errors] == ["palette"]
    assert numbers(got, "size")


def test_a_check_that_does_not_exist_is_named() -> None:
    with pytest.raises(BadConfig, match="palette"):
        inspect_asset(POSTER, request_for(()), rendering_for(POSTER), palette=(), checks=("colour",), readers=())


def test_a_second_look_is_taken_only_in_doubt() -> None:
    first, second = Typed("first", "SUMMER SALE"), Typed("second", "SUMMER SALE")
    assert [r.reader for r in measured(POSTER, first, second, asked=("SUMMER SALE",)).reads] == ["first"]
    assert [r.reader for r in measured(POSTER, first, second, asked=("WINTER SALE",)).reads] == ["first", "second"]
    assert (first.looks, second.looks) == (2, 1)


def test_an_empty_picture_needs_no_second_look_where_no_text_may_be() -> None:
    first, second = Typed("first"), Typed("second")
    measured(POSTER, first, second)
    assert (first.looks, second.looks) == (1, 0)
