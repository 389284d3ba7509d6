"""Ids from a Schema Registry, against a real HTTP server that speaks its REST contract."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from schemas import avro_files as files
from schemas.codec import HEADER, MAGIC, Codec
from schemas.errors import Fatal, Transient, Undecodable
from schemas.events import RulesetActivated
from schemas.registry import RegistryIds, codec_for
from tests.unit.schemas.registry_server import Registry, serve

EVENT = RulesetActivated(
    event_id="5e0b9e2a-4f0e-5a43-9d6c-0f4b1a2c3d4e", at_ms=1_700_000_000_000, ruleset_id="ab" * 32, who="Ann"
)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serve() as running:
        yield running


@pytest.fixture
def ids(registry: Registry) -> Iterator[RegistryIds]:
    with RegistryIds(registry.url) as made:
        yield made


def test_a_record_is_registered_once_under_full_compatibility(registry: Registry, ids: RegistryIds):
    codec = Codec(ids)
    first, second = codec.encode(EVENT), codec.encode(EVENT)
    assert first == second
    assert HEADER.unpack_from(first) == (MAGIC, 1000)
    assert registry.config == {"presscheck.RulesetActivated": "FULL_TRANSITIVE"}
    assert registry.schemas[1000] == files.current("RulesetActivated").text()
    assert registry.requests == [
        "PUT /config/presscheck.RulesetActivated",
        "POST /subjects/presscheck.RulesetActivated/versions",
    ]


def test_what_another_process_wrote_is_read_with_one_request(registry: Registry, ids: RegistryIds):
    with RegistryIds(registry.url) as writer:
        wire = Codec(writer).encode(EVENT)
    registry.requests.clear()
    codec = Codec(ids)
    assert codec.decode(wire) == codec.decode(wire) == EVENT
    assert registry.requests == ["GET /schemas/ids/1000"]


def test_a_newer_writer_is_read_with_the_schema_known_here(registry: Registry, ids: RegistryIds):
    schema = json.loads(files.current("RulesetActivated").text())
    schema["fields"].append({"name": "ticket", "type": "string", "default": "", "doc": "Of a later version."})
    registry.schemas[7] = json.dumps(schema)
    with RegistryIds(registry.url) as writer:
        wire = Codec(writer).encode(EVENT)
    newer = HEADER.pack(MAGIC, 7) + wire[HEADER.size :] + b"\x04T1"
    assert Codec(ids).decode(newer) == EVENT


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ('"string"', "no record"),
        ('{"type": "record", "name": "RulesetActivated", "namespace": "elsewhere", "fields": []}', "other namespace"),
        ('{"type": "record", "name": "Invoice", "namespace": "presscheck", "fields": []}', "no record of ours"),
    ],
)
def test_schemas_of_others_are_not_ours_to_read(registry: Registry, ids: RegistryIds, schema: str, why: str):
    registry.schemas[5] = schema
    with pytest.raises(Undecodable, match="schema id 5 is not known"):
        Codec(ids).decode(HEADER.pack(MAGIC, 5) + b"\x00")


def test_an_id_nobody_registered_is_not_known(ids: RegistryIds):
    with pytest.raises(Undecodable, match="schema id 4294967295 is not known"):
        Codec(ids).decode(HEADER.pack(MAGIC, 2**32 - 1) + b"\x00")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, "away", Transient),
        (500, '{"error_code": 50001}', Transient),
        (429, "slow down", Transient),
        (409, '{"error_code": 409, "message": "incompatible"}', Fatal),
        (401, '{"error_code": 401}', Fatal),
        (404, '{"error_code": 404, "message": "HTTP 404 Not Found"}', Fatal),
        (200, "<html>not a registry</html>", Fatal),
    ],
)
def test_a_refusal_says_whether_trying_again_helps(
    registry: Registry, ids: RegistryIds, status: int, body: str, error: type[Exception]
):
    registry.broken = (status, body)
    with pytest.raises(error, match=f"answered PUT /config/presscheck.RulesetActivated with {status}"):
        ids.id_of("RulesetActivated")
    registry.broken = None
    assert ids.id_of("RulesetActivated") == 1000


def test_a_registry_that_is_gone_is_transient():
    with serve() as registry:
        url = registry.url
    with RegistryIds(url) as ids, pytest.raises(Transient, match="did not answer PUT"):
        ids.id_of("RulesetActivated")


def test_a_registry_without_end_is_refused(registry: Registry):
    registry.schemas = dict.fromkeys(range(4), files.current("RulesetActivated").text())
    with RegistryIds(registry.url, max_schemas=3) as ids:
        assert all(ids.writer(n) for n in range(3))
        with pytest.raises(Fatal, match="more than 3 schemas"):
            ids.writer(3)


def test_the_url_decides_where_ids_come_from(registry: Registry):
    assert codec_for("").encode(EVENT)[:5] == HEADER.pack(MAGIC, files.current("RulesetActivated").id)
    assert codec_for(registry.url).encode(EVENT)[:5] == HEADER.pack(MAGIC, 1000)
