"""What is drawn from the catalogue: complete, valid, and refused where something would be left out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from jsonschema.validators import validator_for

from schemas import avro_files as files
from schemas.catalogue import Topic, catalogue
from schemas.diagram import STAGES, pipeline_svg, place
from schemas.docs import asyncapi, main, pages, topics_page

SPEC = Path(__file__).parents[2] / "docs" / "specs" / "asyncapi-3.0.0.json"


def row(name: str, written_by: tuple[str, ...], read_by: tuple[str, ...]) -> Topic:
    return dataclasses.replace(catalogue()[0], name=name, written_by=written_by, read_by=read_by)


def complaints(document: Any) -> list[str]:
    schema = json.loads(SPEC.read_text(encoding="utf-8"))
    validator = validator_for(schema)(schema)
    return [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors(document)]


def test_the_asyncapi_document_is_valid():
    assert complaints(yaml.safe_load(pages()["asyncapi.yaml"])) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [(("asyncapi",), "2.6.0"), (("channels", "prompts", "adress"), "prompts"), (("info",), {"title": "Presscheck"})],
)
def test_a_wrong_asyncapi_document_is_refused(path: tuple[str, ...], value: object):
    document: dict[str, Any] = asyncapi(catalogue())
    node = document
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    assert complaints(document)


def test_every_reference_in_the_document_leads_somewhere():
    document = asyncapi(catalogue())
    used = {op["channel"]["$ref"].removeprefix("#/channels/") for op in document["operations"].values()}
    assert used == set(document["channels"])
    uses = [use for channel in document["channels"].values() for use in channel["messages"].values()]
    messages = {use["$ref"].removeprefix("#/components/messages/") for use in uses}
    assert messages == set(document["components"]["messages"]) == set(files.record_names())
    assert len(document["channels"]) == len(catalogue())


def test_the_page_names_every_topic_record_part_and_field():
    page = topics_page(catalogue())
    for topic in catalogue():
        assert f"| `{topic.name}` |" in page
    for name in (*files.record_names(), *files.part_names()):
        assert f"\n### {name}\n" in page
        for field in files.load(name).get("fields", []):
            assert f"| `{field['name']}` |" in page


@pytest.mark.parametrize(
    ("hours", "compacted", "kept"),
    [(36, False, "36 h"), (48, False, "2 days"), (-1, False, "for good"), (-1, True, "newest of each key, for good")],
)
def test_retention_is_said_in_words(hours: int, compacted: bool, kept: str):
    topic = dataclasses.replace(catalogue()[0], retention_hours=hours, compacted=compacted)
    assert f" | {kept} | " in topics_page([topic])


def test_the_picture_is_well_formed_and_shows_every_stage_and_topic():
    picture = ET.fromstring(pipeline_svg(catalogue()))
    space = "{http://www.w3.org/2000/svg}"
    said = [t.text for t in picture.iter(f"{space}text")]
    assert set(STAGES) <= set(said)
    assert {t.text for t in picture.iter(f"{space}title")} == {t.doc for t in catalogue()}
    width, height = (float(n) for n in picture.attrib["viewBox"].split()[2:])
    for box in picture.iter(f"{space}rect"):
        x, y, wide, high = (float(box.attrib[k]) for k in ("x", "y", "width", "height"))
        assert x >= 0
        assert y >= 0
        assert x + wide <= width
        assert y + high <= height


@pytest.mark.parametrize(
    ("written_by", "read_by"),
    [(("sanity",), ("inspect",)), (("cms",), ("render",)), (("cms",), ("cms",)), (("render", "inspect"), ("audit",))],
)
def test_a_topic_that_fits_no_place_is_refused(written_by: tuple[str, ...], read_by: tuple[str, ...]):
    with pytest.raises(SystemExit, match="no place for odd"):
        place([row("odd", written_by, read_by)])


def test_only_pages_that_changed_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main(tmp_path)
    (tmp_path / "topics.md").write_text("old", encoding="utf-8")
    capsys.readouterr()
    main(tmp_path)
    assert capsys.readouterr().out == f"{tmp_path / 'topics.md'}\n"
