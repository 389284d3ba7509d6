"""`presscheck inspect` as a user runs it: a process, files on disk, no broker."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ops.overlay.marks import Mark
from tests.corpus import RIGHT_KINDS, Drawn, Kind, draw
from tests.unit.finish import orders

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def presscheck(*args: str | Path, stdin: str = "") -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "ops", "inspect", *map(str, args), "--config", str(ROOT / "config")],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Batch:
    """One run over a poster of every kind, a file cut off and a file that is not there."""

    ran: Ran
    posters: dict[str, Drawn]

    def object_of(self, name: str) -> dict[str, Any]:
        return next(o for o in self.ran.objects if Path(o["file"]).stem == name)


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    folder = tmp_path_factory.mktemp("posters")
    posters = {kind.value: draw(41, kind, size=(768, 768)) for kind in Kind}
    wanted = {name: drawn.asked for name, drawn in posters.items()} | {"cut": (), "gone": ()}
    for name, drawn in posters.items():
        (folder / f"{name}.png").write_bytes(drawn.png())
    whole = posters["right"].png()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    lines = [json.dumps({"file": str(folder / f"{name}.png"), "expect": asked}) for name, asked in wanted.items()]
    ran = presscheck("--from", "-", "--json", stdin="\n".join(lines))
    return Batch(ran, posters)


def test_it_prints_one_object_a_file_in_their_order(batch: Batch) -> None:
    assert [Path(o["file"]).stem for o in batch.ran.objects] == [*batch.posters, "cut", "gone"]


def test_a_finding_is_exit_status_one(batch: Batch) -> None:
    assert batch.ran.status == 1


@pytest.mark.parametrize("kind", list(Kind))
def test_right_posters_are_accepted_and_wrong_ones_rejected(batch: Batch, kind: Kind) -> None:
    got = batch.object_of(kind.value)
    assert got["verdict"] == ("accept" if kind in RIGHT_KINDS else "reject"), got["reasons"]


def test_every_check_says_what_it_measured(batch: Batch) -> None:
    checks = batch.object_of("right")["checks"]
    assert {"bytes", "size", "blank", "noise", "text", "palette", "aesthetic"} <= set(checks)
    assert checks["size"]["numbers"] == {"width_px": 768, "height_px": 768}
    assert checks["text"]["score"] == 1
    word = checks["text"]["reads"][0]["words"][0]
    assert len(word["box"]) == 8
    assert 0 < word["confidence"] <= 1


def test_the_evidence_names_what_was_expected_and_seen(batch: Batch) -> None:
    got = batch.object_of("wrong_letter")
    drawn = batch.posters["wrong_letter"]
    (asked, shown) = next((a, s) for a, s in zip(drawn.asked, drawn.shown, strict=True) if a != s)
    assert got["checks"]["text"]["defects"][0] == "wrong-text"
    assert asked in got["checks"]["text"]["evidence"][0]
    assert shown in got["checks"]["text"]["evidence"][0]


def test_a_file_that_is_cut_off_is_rejected_for_its_bytes(batch: Batch) -> None:
    got = batch.object_of("cut")
    assert got["verdict"] == "reject"
    assert got["checks"]["bytes"]["numbers"]["decodes"] == 0
    assert "cut off" in got["reasons"][0]
    assert got["checks"]["text"]["reads"] == []


def test_a_file_that_is_not_there_is_an_object_with_an_error(batch: Batch) -> None:
    got = batch.object_of("gone")
    assert (got["verdict"], got["checks"]) == ("reject", {})
    assert "No such file" in got["error"]


def test_one_right_poster_is_exit_status_zero_and_its_overlay_is_drawn(tmp_path: Path) -> None:
    poster, target = tmp_path / "poster.png", tmp_path / "seen.png"
    drawn = draw(42, Kind.RIGHT, size=(640, 640))
    poster.write_bytes(drawn.png())
    wanted = [arg for phrase in drawn.asked for arg in ("--expect", phrase)]
    ran = presscheck(poster, *wanted, "--overlay", target)
    assert ran.status == 0, ran.out + ran.err
    assert ran.out.startswith("accept")
    with Image.open(target) as seen:
        assert seen.width == 1000  # enlarged, so that marks can be seen
        assert seen.height > 1000


def test_each_letter_is_told_with_its_box_and_drawn(tmp_path: Path) -> None:
    poster, target = tmp_path / "poster.png", tmp_path / "seen.png"
    drawn = draw(44, Kind.WRONG_LETTER, size=(640, 640))
    poster.write_bytes(drawn.png())
    wanted = [arg for phrase in drawn.asked for arg in ("--expect", phrase)]
    ran = presscheck(poster, *wanted, "--json", "--overlay", target, "--crop", "4:5", "--bleed", "12")
    (got,) = ran.objects
    assert [p["text"] for p in got["phrases"]] == list(drawn.asked)
    wrong = [x for p in got["phrases"] for x in p["letters"] if x["state"] == "wrong"]
    assert len(wrong) == 1
    left, top, right, bottom = wrong[0]["box"]
    assert 0 <= left < right <= 640
    assert 0 <= top < bottom <= 640
    with Image.open(target) as seen:
        pixels = {colour for _, colour in seen.convert("RGB").getcolors(1 << 24) or ()}
    assert {Mark.WRONG.colour, Mark.RIGHT.colour, Mark.CROP.colour, Mark.BLEED.colour} <= pixels


def test_a_supplied_logo_is_looked_for(tmp_path: Path) -> None:
    poster, logo = tmp_path / "poster.png", tmp_path / "logo.png"
    poster.write_bytes(draw(42, Kind.RIGHT, size=(640, 640)).png())
    Image.new("RGB", (120, 80), "#b3372f").save(logo)
    (got,) = presscheck(poster, "--logo", logo, "--json").objects
    assert [match["found"] for match in got["logos"]] == [False]
    assert got["verdict"] != "accept"


def test_without_expect_text_is_read_and_not_judged(tmp_path: Path) -> None:
    poster = tmp_path / "poster.png"
    poster.write_bytes(draw(43, Kind.TEXT_UNASKED, size=(640, 640)).png())
    ran = presscheck(poster, "--json")
    (got,) = ran.objects
    assert (ran.status, got["verdict"]) == (0, "accept")
    assert got["checks"]["text"]["reads"][0]["words"]
    assert any("not judged" in reason for reason in got["reasons"])


@pytest.mark.parametrize(
    ("args", "stdin", "said"),
    [
        ((), "", "--from"),
        (("README.md", "--from", "-"), "", "--from"),
        (("--from", "-", "--expect", "SALE"), "", "--from"),
        (("--from", "no-such-list.jsonl"), "", "no-such-list.jsonl"),
        (("--from", "-"), "{not json}", "line 1"),
        (("--from", "-"), '{"file": "a.png", "expects": []}', "expect"),
        (("--from", "-"), '{"file": "a.png", "expect": "SALE"}', "list"),
        (("--from", "-"), '{"expect": []}', "file"),
        (("README.md", "--brand", "no-such-brand"), "", "no-such-brand"),
        (("a.png", "--lane", "urgent"), "", "urgent"),
        (("README.md", "LICENSE", "--overlay", "c.png"), "", "--overlay"),
        (("README.md", "--crop", "4to5"), "", "4to5"),
        (("README.md", "--logo", "no-such-logo.png"), "", "no-such-logo.png"),
        (("no-such-poster.png", "--expect", "SALE"), "", "there is no file no-such-poster.png"),
        (("docs", "--expect", "SALE"), "", "docs is a folder"),
        (("README.md", "--overlay", "no-such-folder/seen.png"), "", "no folder no-such-folder"),
        (("README.md", "--overlay", "seen.jpg"), "", "must end in .png"),
        (("docs/pictures/missing-letter.png", "--overlay", "docs/pictures/missing-letter.png"), "", "picture itself"),
    ],
)
def test_wrong_use_is_exit_status_two_with_one_clear_line(args: tuple[str, ...], stdin: str, said: str) -> None:
    ran = presscheck(*args, stdin=stdin)
    assert ran.status == 2, ran.out + ran.err
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_check_that_measured_nothing_has_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (got,) = presscheck(tmp_path / "broken.png", "--expect", "SALE", "--json").objects
    assert got["checks"]["bytes"]["verdict"] == "reject"
    assert {check["verdict"] for name, check in got["checks"].items() if name != "bytes"} == {None}


def test_content_credentials_are_shown_and_a_changed_file_says_so(tmp_path: Path) -> None:
    done = orders.finisher()(orders.order(orders.art(), steps=("content-credentials",)))
    signed, spoilt, plain = (tmp_path / name for name in ("signed.png", "spoilt.png", "plain.png"))
    signed.write_bytes(done.data)
    # Grown by a byte behind its end: the picture is the same, the file is not.
    spoilt.write_bytes(done.data + b"\0")
    plain.write_bytes(orders.encoded(orders.art()))
    said = [o["credentials"] for o in presscheck(signed, spoilt, plain, "--json").objects]
    assert said[0] == {
        "state": "Valid",
        "signer": "Presscheck development key (Presscheck development)",
        "made_with": "maker/model abc123",
        "source": "trainedAlgorithmicMedia",
        "actions": "c2pa.created",
    }
    assert (said[1]["state"], said[2]) == ("Invalid", None)
    assert "credentials: state Valid, signer Presscheck development key" in presscheck(signed).out
