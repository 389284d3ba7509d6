"""Faces seen from the front: found where they are, at every size, and not in lettering and drawings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ops.bench.corpus import sample
from ops.bench.corpus_kinds import Split
from schemas.events import RegionKind
from tests.unit.checks.test_measure import POSTER, rendering_for, request_for
from tests.unit.rules.samples import ruleset
from workers.checks.decode import decode
from workers.checks.faces import LOOK_SIDE, MOST_FACES, faces_in
from workers.checks.people import LEAST_SCORE, PeopleCheck
from workers.checks.port import NOTHING, Broken, Decoded, Pixels, Subject

LEAST = ruleset().thresholds["people.face_score_min"]


def lfw() -> tuple[Pixels, Pixels]:
    """60 photographed faces and 60 pieces of background, 25 pixels wide, from the wheel of scikit-image."""
    skimage = pytest.importorskip("skimage")
    crops = np.load(Path(str(skimage.__file__)).parent / "data" / "lfw_subset.npy")
    levels = (crops * 255).astype(np.uint8)
    return levels[:60], levels[100:160]


def framed(crop: Pixels, side: int = 240) -> Pixels:
    """A crop of 25 pixels enlarged to 120, on a grey ground."""
    art = Image.new("L", (side, side), 130)
    art.paste(Image.fromarray(crop).resize((120, 120), Image.Resampling.BICUBIC), (60, 70))
    return np.asarray(art.convert("RGB"))


def astronaut() -> Pixels:
    skimage = pytest.importorskip("skimage")
    with Image.open(Path(str(skimage.__file__)).parent / "data" / "astronaut.png") as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.models
def test_most_faces_are_found_and_no_background_is_one():
    faces, others = lfw()
    found = sum(any(f.score >= LEAST for f in faces_in(framed(crop))) for crop in faces)
    wrong = sum(any(f.score >= LEAST for f in faces_in(framed(crop))) for crop in others)
    assert found >= 44
    assert wrong == 0


@pytest.mark.models
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_a_face_is_found_where_it_is_at_every_size(scale: float):
    plain = astronaut()
    size = (round(plain.shape[1] * scale), round(plain.shape[0] * scale))
    best = faces_in(np.asarray(Image.fromarray(plain).resize(size, Image.Resampling.LANCZOS)))[0]
    assert best.score >= LEAST
    middle = ((best.box[0] + best.box[2]) / 2 / scale, (best.box[1] + best.box[3]) / 2 / scale)
    assert 190 <= middle[0] <= 255
    assert 70 <= middle[1] <= 150


def test_drawings_and_lettering_have_no_faces():
    for index in range(0, 42, 4):
        assert not any(f.score >= LEAST for f in faces_in(sample(Split.HOLDOUT, index, (512, 512)).pixels))


@pytest.mark.parametrize("size", [(1, 1), (23, 400), (24, 24), (24, 4000), (3000, 30), (LOOK_SIDE, LOOK_SIDE)])
def test_pictures_of_every_shape_are_looked_at(size: tuple[int, int]):
    assert faces_in(np.full((*size, 3), 90, dtype=np.uint8)) == ()


def test_a_texture_full_of_windows_is_bounded():
    tile = framed(np.random.default_rng(5).integers(0, 256, (25, 25), dtype=np.uint8), 240)
    assert len(faces_in(np.tile(tile, (3, 3, 1)))) <= MOST_FACES


def test_noise_is_bounded_and_boxes_lie_in_the_picture():
    for face in faces_in(np.random.default_rng(3).integers(0, 256, (700, 500, 3), dtype=np.uint8)):
        left, top, right, bottom = face.box
        assert 0 <= left < right <= 500
        assert 0 <= top < bottom <= 700
        assert 0 < face.score < 1


def subject(image: Decoded | Broken) -> Subject:
    return Subject(data=POSTER, image=image, request=request_for(()), rendering=rendering_for(POSTER))


def test_the_check_gives_numbers_for_what_decodes_and_nothing_for_the_rest():
    found = PeopleCheck().measure(subject(decode(POSTER)))
    assert {m.name for m in found.measurements} == {"faces", "face_score"}
    assert found.opinions == ()
    assert PeopleCheck().measure(subject(Broken(reason="cut"))) is NOTHING


@pytest.mark.models
def test_faces_become_regions():
    found = PeopleCheck().measure(subject(Decoded(pixels=astronaut(), media_type="image/png")))
    assert found.regions[0].kind is RegionKind.FACE
    assert all(r.score >= LEAST_SCORE for r in found.regions)
    numbers = {m.name: m.value for m in found.measurements}
    assert numbers == {"faces": len(found.regions), "face_score": found.regions[0].score}
