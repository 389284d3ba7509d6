"""The report on a file: what stands where, and what a line or an option may ask for."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ops.files.inspection import FileInspector, Inspected, Wanted
from ops.files.lines import parse_lines
from ops.files.report import report
from ops.rulesets.publish import read_config
from schemas.errors import Poison
from schemas.events import (
    Box,
    Glyph,
    Inspection,
    Judgement,
    Letter,
    LetterState,
    LogoMatch,
    Measurement,
    Neighbour,
    Opinion,
    Region,
    RegionKind,
    TextLikelihood,
    Verdict,
)

ROOT = Path(__file__).parents[3]
CORNERS = (0.0, 0.0, 9.0, 0.0, 9.0, 9.0, 0.0, 9.0)


def letter(place: int, state: LetterState, wanted: str, seen: str, *, phrase: int = 0, left: int | None = 0) -> Letter:
    box = None if left is None else Box(left=left, top=10, right=left + 8, bottom=30)
    return Letter(phrase=phrase, place=place, state=state, wanted=wanted, seen=seen, box=box)


LETTERS = (
    letter(0, LetterState.RIGHT, "S", "S", left=0),
    letter(1, LetterState.RIGHT, "A", "A", left=10),
    letter(2, LetterState.WRONG, "L", "I", left=20),
    letter(3, LetterState.MISSING, "E", "", left=None),
    letter(0, LetterState.EXTRA, "", "X", phrase=-1, left=50),
)
FOUND = Inspection(
    measurements=(Measurement(check="glyphs", name="lowest", value=0.25),),
    reads=(),
    errors=(),
    elapsed_ms=12.34,
    likelihoods=(TextLikelihood(phrase=0, reader="rapidocr", seen="SAI", log_ratio=-3.14159, box=CORNERS),),
    glyphs=tuple(
        Glyph(
            letter="A",
            reader="r",
            word=0,
            place=n,
            health=n / 30,
            box=LETTERS[0].box or Box(left=0, top=0, right=1, bottom=1),
        )
        for n in reversed(range(30))
    ),
    regions=(Region(kind=RegionKind.FACE, check="people", box=Box(left=1, top=2, right=3, bottom=4), score=0.91234),),
    logos=(LogoMatch(file_sha256="cd" * 32, found=True, score=0.81234, box=CORNERS, scale=0.51234),),
    opinions=(Opinion(check="people", model="m", passes=False, why="six fingers", elapsed_ms=1.0),),
    phash="ef" * 32,
    neighbour=Neighbour(job_id="00000000-0000-0000-0000-000000000000", asset_sha256="ab" * 32, distance=7),
)
JUDGED = Judgement(
    verdict=Verdict.REJECT,
    defects=(),
    scores={"text": 0.5},
    reasons=("a ground",),
    ruleset_id="ab" * 32,
    letters=LETTERS,
)


def inspected(inspection: Inspection | None = FOUND, judgement: Judgement | None = JUDGED) -> Inspected:
    wanted = Wanted(file=Path("a.png"), expect=("SALE",))
    return Inspected(wanted=wanted, inspection=inspection, judgement=judgement, error="" if inspection else "gone")


def test_a_phrase_lists_right_letters_by_stretches_and_every_other_by_itself():
    (phrase,) = report(inspected(), ("text",))["phrases"]
    assert (phrase["text"], phrase["right"], phrase["wrong"], phrase["missing"], phrase["extra"]) == (
        "SALE",
        2,
        1,
        1,
        0,
    )
    assert phrase["letters"] == [
        {
            "state": "right",
            "place": 0,
            "seen": "SA",
            "box": [0, 10, 18, 30],
            "boxes": [[0, 10, 8, 30], [10, 10, 18, 30]],
        },
        {"state": "wrong", "place": 2, "wanted": "L", "seen": "I", "box": [20, 10, 28, 30]},
        {"state": "missing", "place": 3, "wanted": "E", "seen": "", "box": None},
    ]


def test_text_of_no_phrase_stands_apart():
    assert report(inspected(), ("text",))["extra_text"] == [{"seen": "X", "box": [50, 10, 58, 30]}]


def test_what_else_was_found_is_there_with_its_boxes():
    got = report(inspected(), ("text", "glyphs", "people"))
    assert got["regions"] == [{"kind": "face", "check": "people", "score": 0.912, "box": [1, 2, 3, 4]}]
    assert (got["logos"][0]["score"], got["logos"][0]["scale"], got["logos"][0]["rotation_degrees"]) == (
        0.812,
        0.512,
        None,
    )
    assert got["opinions"][0]["why"] == "six fingers"
    assert got["neighbour"]["distance"] == 7
    assert got["phash"] == "ef" * 32
    assert got["checks"]["text"]["likelihoods"][0]["log_ratio"] == -3.142
    healths = [g["health"] for g in got["checks"]["glyphs"]["glyphs"]]
    assert (healths, len(healths)) == (sorted(healths), 20)
    json.dumps(got)


def test_what_was_not_found_is_left_out():
    bare = replace(FOUND, regions=(), logos=(), opinions=(), phash=None, neighbour=None, glyphs=(), likelihoods=())
    got = report(inspected(bare, replace(JUDGED, letters=())), ("text",))
    assert not {"regions", "logos", "opinions", "neighbour", "phash", "phrases", "extra_text"} & got.keys()


def test_letters_without_boxes_have_none():
    judged = replace(JUDGED, letters=(letter(0, LetterState.RIGHT, "S", "S", left=None),))
    (phrase,) = report(inspected(FOUND, judged), ())["phrases"]
    assert phrase["letters"][0]["box"] is None


def test_a_file_that_is_not_there_is_rejected_and_says_so():
    got = report(inspected(None, None), ("text",))
    assert (got["verdict"], got["checks"]) == ("reject", {})
    assert "gone" in got["reasons"][0]


def test_a_line_may_name_logos_crops_and_bleed():
    line = '{"file": "a.png", "logos": ["logo.png"], "crops": ["4:5"], "bleed_px": 12, "prompt": "a tent"}'
    (wanted,) = parse_lines([line], Wanted(file=Path(), expect=None))
    assert (wanted.logos, wanted.crops, wanted.bleed_px) == ((Path("logo.png"),), ("4:5",), 12)
    assert wanted.prompt == "a tent"


def test_a_line_that_names_none_takes_those_of_the_command():
    default = Wanted(file=Path(), expect=None, logos=(Path("logo.png"),), crops=("1:1",), bleed_px=3)
    (wanted,) = parse_lines(['{"file": "a.png"}'], default)
    assert replace(default, file=Path("a.png"), expect=()) == wanted


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"file": "a.png", "crops": ["4to5"]}', "4to5"),
        ('{"file": "a.png", "crops": "4:5"}', "list"),
        ('{"file": "a.png", "bleed_px": "3"}', "whole number"),
        ('{"file": "a.png", "bleed_px": 4000}', "2048"),
        (json.dumps({"file": "a.png", "crops": ["1:1"] * 17}), "16"),
        ('{"file": "a.png", "logos": [3]}', "logos"),
        ('{"file": "a.png", "prompt": 3}', "prompt"),
        ('{"file": "a.png", "brand": ["b"]}', "brand"),
        ('{"file": "a.png", "lane": "urgent"}', "lane"),
    ],
)
def test_a_wrong_line_is_refused_by_its_number(line: str, said: str):
    with pytest.raises(Poison, match="line 1") as raised:
        list(parse_lines([line], Wanted(file=Path(), expect=None)))
    assert said in str(raised.value)


def test_a_logo_travels_with_the_request(tmp_path: Path):
    logo, file = tmp_path / "logo.png", tmp_path / "a.png"
    Image.new("RGB", (40, 30), "red").save(logo)
    Image.new("RGB", (320, 320), "white").save(file)
    ruleset = read_config(ROOT / "config")
    inspector = FileInspector(ruleset, lambda: ())
    result = inspector.inspect(Wanted(file=file, expect=None, logos=(logo,)))
    assert result.inspection is not None
    assert [match.found for match in result.inspection.logos] == [False]


def test_what_the_prompt_asks_for_counts(tmp_path: Path):
    file = tmp_path / "a.png"
    Image.new("RGB", (320, 320), "#808080").save(file)
    inspector = FileInspector(read_config(ROOT / "config"), lambda: ())

    def found(prompt: str) -> dict[str, bool]:
        judgement = inspector.inspect(Wanted(file=file, expect=None, prompt=prompt)).judgement
        assert judgement is not None
        return {d.mode: d.certain for d in judgement.defects}

    assert found("") == found("a lighthouse at dawn") == {"blank-frame": True}
    assert found("a solid colour background")["blank-frame"] is False
    assert found("two hands on a solid colour background")["anatomy"] is False


@pytest.mark.parametrize("data", [None, b"no picture", b""])
def test_a_logo_that_is_no_picture_is_wrong_use(tmp_path: Path, data: bytes | None):
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "PNG")
    logo = tmp_path / "logo.png"
    if data is not None:
        logo.write_bytes(data)
    inspector = FileInspector(read_config(ROOT / "config"), lambda: ())
    with pytest.raises(Poison, match=r"logo\.png"):
        inspector.inspect_bytes(Wanted(file=Path("a.png"), expect=None, logos=(logo,)), out.getvalue())
