"""Job lines: what is right becomes a job, what is wrong is named with its line and mend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from broker.settings import Settings
from ops.job_files import JobFile
from ops.submission import Draft, Fault, parse_lines, submitted, upload
from schemas import ids
from schemas.events import FileRole, ImageFormat, Lane
from store.artifacts import open_store

LAYOUT = '{"boxes": [{"for": "text", "left": 0.1, "top": 0.1, "right": 0.9, "bottom": 0.4}]}'


def parse(line: object, folder: Path = Path()) -> Draft | Fault:
    text = line if isinstance(line, str) else json.dumps(line)
    (only,) = parse_lines([text], source="jobs.jsonl", folder=folder, now_ms=1_700_000_000_000)
    return only


def test_a_whole_line_becomes_a_job(tmp_path: Path) -> None:
    Image.new("RGB", (10, 10)).save(tmp_path / "logo.png")
    line = {
        "prompt": "a red tent", "idempotency_key": "k1", "campaign": "c", "brand": "b", "lane": "critical",
        "required_text": ["SLEEP"], "negative_prompt": "n", "width": 640, "height": 480, "seed": 7, "upscale": 2,
        "format": "webp", "crops": ["4:5", "1.91:1"], "bleed_px": 36,
        "engine": "typeset", "files": [{"role": "logo", "path": "logo.png"}],
    }  # fmt: skip
    draft = parse(line, tmp_path)
    assert isinstance(draft, Draft)
    job = draft.job
    assert job.job_id == ids.job_id("k1")
    assert (job.lane, job.required_text, job.width, job.height, job.seed) == (Lane.CRITICAL, ("SLEEP",), 640, 480, 7)
    assert (job.upscale, job.format) == (2, ImageFormat.WEBP)
    assert (job.crops, job.bleed_px) == (("4:5", "1.91:1"), 36)
    logo = JobFile(role=FileRole.LOGO, path=tmp_path / "logo.png", media_type="image/png", size=(10, 10))
    assert draft.files == (logo,)
    assert submitted(job) == submitted(job)


def test_lines_without_a_key_are_jobs_of_their_own() -> None:
    one, two = parse({"prompt": "x"}), parse({"prompt": "x"})
    assert isinstance(one, Draft)
    assert isinstance(two, Draft)
    assert one.job.job_id != two.job.job_id


def test_the_same_key_gives_the_same_job_and_seed() -> None:
    assert parse({"prompt": "x", "idempotency_key": "k"}) == parse({"prompt": "x", "idempotency_key": "k"})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON at column 2"),
        ("[]", "want a JSON object"),
        ({}, '"prompt" is missing'),
        ({"promt": "x"}, 'did you mean "prompt"?'),
        ({"prompt": 3}, "want a string"),
        ({"prompt": "x", "width": True}, "want a whole number of pixels"),
        ({"prompt": "x", "width": 3}, "Job.width=3, want 64..8192"),
        ({"prompt": "x", "lane": "urgent"}, "want critical or exploratory"),
        ({"prompt": "x", "upscale": 3}, '"upscale" is 3, want 1 or 2 or 4'),
        ({"prompt": "x", "upscale": 2.0}, "want 1, 2 or 4"),
        ({"prompt": "x", "format": "gif"}, '"format" is "gif", want png or jpeg or webp'),
        ({"prompt": "x", "crops": "4:5"}, '"crops" is "4:5", want a list of ratios'),
        ({"prompt": "x", "crops": ["0:5"]}, '"crops" holds "0:5", want width:height such as "4:5", 1:20 to 20:1'),
        ({"prompt": "x", "crops": ["a:b"]}, '"crops" holds "a:b", want width:height'),
        ({"prompt": "x", "crops": [4]}, '"crops" holds 4, want width:height'),
        ({"prompt": "x", "crops": ["100:1"]}, '"crops" holds "100:1", want width:height'),
        ({"prompt": "x", "crops": ["4:5"] * 17}, "Job.crops"),
        ({"prompt": "x", "bleed_px": "3mm"}, "want a whole number of pixels"),
        ({"prompt": "x", "bleed_px": -1}, "Job.bleed_px=-1, want 0..2048"),
        ({"prompt": "x", "bleed_px": 300}, "ask for 256 at most or a larger picture"),
        ({"prompt": "x", "required_text": [""]}, "want a list of strings"),
        ({"prompt": "x", "files": ["a.png"]}, "want {"),
        ({"prompt": "x", "files": [{"role": "logos", "path": "a.png"}]}, "want one of logo"),
        ({"prompt": "x", "files": [{"role": "logo", "path": "gone.png"}]}, "is not there"),
        ({"prompt": "x", "engine": "No Such"}, "Job.engine"),
    ],
)
def test_a_wrong_line_is_named_with_its_place_and_mend(line: object, says: str) -> None:
    fault = parse(line)
    assert isinstance(fault, Fault)
    assert fault.place == "jobs.jsonl:1"
    assert says in fault.message


def test_a_file_that_is_no_sound_image_is_refused(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:-200])
    fault = parse({"prompt": "x", "files": [{"role": "logo", "path": "cut.png"}]}, tmp_path)
    assert isinstance(fault, Fault)
    assert "not a sound image" in fault.message


def test_a_picture_is_as_large_as_it_is_upright(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (96, 64)).save(tmp_path / "phone.jpg", exif=turned)
    drawn(tmp_path / "mask.png", (64, 96))
    files = [{"role": "init_image", "path": "phone.jpg"}, {"role": "mask", "path": "mask.png"}]
    draft = parse({"prompt": "x", "width": 64, "height": 96, "files": files}, tmp_path)
    assert isinstance(draft, Draft)
    assert [f.size for f in draft.files] == [(64, 96), (64, 96)]


def drawn(path: Path, size: tuple[int, int] = (32, 24), shade: int = 255) -> None:
    Image.new("L", size, shade).save(path)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"mask": "m.png"}, "file m.png is a mask, and no init_image came with it; add"),
        ({"mask": "small.png", "init_image": "m.png"}, "small.png is 8 x 8 and m.png is 32 x 24; make the mask"),
        ({"mask": "m.png", "init_image": "m.png"}, "m.png is 32 x 24 and the job 1024 x 1024; what a mask keeps"),
        ({"mask": "black.png", "init_image": "m.png"}, "black.png is black all over"),
        ({"logo": "m.gif"}, "file m.gif is image/gif, as logo send image/png or image/jpeg or image/webp"),
        ({"layout": "m.png"}, "file m.png is no JSON"),
        ({"layout": "list.json"}, "file list.json: want one field"),
        ({"layout": "big.json"}, "as layout want 1..65536"),
        ({"colour_mask": "layout.json"}, "file layout.json is not a sound image: the bytes are no picture"),
        ({"init_image": "moving.webp"}, "not a sound image: the file is animated: 2 frames; send a PNG, JPEG or WebP"),
        ({"init_image": "empty.png"}, "file empty.png has 0 bytes"),
    ],
)
def test_files_are_looked_at_by_their_role(files: dict[str, str], says: str, tmp_path: Path) -> None:
    for name in ("m.png", "m.gif"):
        drawn(tmp_path / name)
    drawn(tmp_path / "small.png", (8, 8))
    drawn(tmp_path / "black.png", shade=0)
    (tmp_path / "layout.json").write_text(LAYOUT)
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "big.json").write_text(" " * 70_000)
    (tmp_path / "empty.png").touch()
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 255)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    fault = parse({"prompt": "x", "files": [{"role": r, "path": p} for r, p in files.items()]}, tmp_path)
    assert isinstance(fault, Fault)
    assert says in fault.message


def test_files_go_to_the_store_with_their_own_media_type(tmp_path: Path) -> None:
    drawn(tmp_path / "init.webp", (64, 64))
    drawn(tmp_path / "mask.png", (64, 64))
    (tmp_path / "layout.json").write_text(LAYOUT)
    files = {"init_image": "init.webp", "mask": "mask.png", "colour_mask": "mask.png", "layout": "layout.json"}
    entries = [{"role": r, "path": p} for r, p in files.items()]
    draft = parse({"prompt": "x", "width": 64, "height": 64, "files": entries}, tmp_path)
    assert isinstance(draft, Draft)
    store = open_store(Settings.model_validate({"store_url": (tmp_path / "store").as_uri()}))
    refs = upload(draft, store).files
    types = [(r.role.value, r.media_type) for r in refs]
    assert types == [
        ("init_image", "image/webp"),
        ("mask", "image/png"),
        ("colour_mask", "image/png"),
        ("layout", "application/json"),
    ]
    assert store.get(refs[3].sha256) == LAYOUT.encode()


def test_blank_lines_are_passed_over_and_lines_keep_their_numbers() -> None:
    found = list(parse_lines(["", '{"prompt": "x"}', "  ", "{"], source="f", folder=Path(), now_ms=0))
    assert [f.place for f in found] == ["f:2", "f:4"]
