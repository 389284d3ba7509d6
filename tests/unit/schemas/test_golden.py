"""Old bytes stay readable: every schema version's golden messages, read by today's code and by the avro package."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from avro.io import BinaryDecoder, DatumReader
from avro.schema import parse

from schemas import avro_files as files
from schemas import golden_messages as golden
from schemas.codec import HEADER, Codec, LockedIds
from schemas.jsonable import as_json, event_json

CASES = [(v, kind) for v in files.locked() for kind in golden.KINDS]
IDS = [f"{v.label}.{kind}" for v, kind in CASES]


def holds(now: Any, then: Any) -> bool:
    """Whether everything once said is still said; fields that came later may stand beside it."""
    if isinstance(then, Mapping):
        return all(k in now and holds(now[k], v) for k, v in cast("Mapping[str, Any]", then).items())
    if isinstance(then, list):
        old = cast("Sequence[Any]", then)
        return len(now) == len(old) and all(holds(a, b) for a, b in zip(now, old, strict=True))
    return bool(now == then)


@pytest.mark.parametrize(("version", "kind"), CASES, ids=IDS)
def test_bytes_once_written_still_mean_the_same(version: files.Version, kind: golden.Kind):
    message = golden.read(version, kind)
    event = Codec(LockedIds()).decode(message.wire)
    assert type(event).__name__ == version.record
    assert holds(event_json(event), message.values)


@pytest.mark.parametrize(("version", "kind"), CASES, ids=IDS)
def test_current_events_are_written_as_ever(version: files.Version, kind: golden.Kind):
    if version != files.current(version.record):
        pytest.skip("an older version is read, never written")
    codec = Codec(LockedIds())
    message = golden.read(version, kind)
    assert codec.encode(codec.decode(message.wire)) == message.wire


@pytest.mark.parametrize(("version", "kind"), CASES, ids=IDS)
def test_the_avro_package_reads_the_same(version: files.Version, kind: golden.Kind):
    message = golden.read(version, kind)
    body = io.BytesIO(message.wire[HEADER.size :])
    datum: object = DatumReader(parse(version.text())).read(BinaryDecoder(body))
    assert as_json(datum) == message.values
    assert body.read() == b""


@pytest.mark.parametrize(("version", "kind"), CASES, ids=IDS)
def test_golden_messages_are_drawn_from_the_schema_alone(version: files.Version, kind: golden.Kind):
    assert golden.draw(version, kind) == golden.read(version, kind)


def test_only_missing_messages_are_written(schema_copy: Path):
    (schema_copy / "golden" / "PromptSeen.v1.full.hex").unlink()
    kept = (schema_copy / "golden" / "PromptSeen.v1.bare.json").stat().st_mtime_ns
    assert golden.write_missing(schema_copy) == ["PromptSeen.v1.full"]
    assert golden.write_missing(schema_copy) == []
    assert (schema_copy / "golden" / "PromptSeen.v1.bare.json").stat().st_mtime_ns == kept


def test_a_pattern_no_sample_fits_is_said(schema_copy: Path):
    schema = {
        "type": "record",
        "name": "Odd",
        "namespace": "presscheck",
        "fields": [{"name": "code", "type": "string", "pattern": "[0-9]{3}"}],
    }
    with pytest.raises(SystemExit, match=r"Odd\.code: no sample text fits \[0-9\]\{3\}"):
        golden.Sample("full").record(schema, "Odd")
