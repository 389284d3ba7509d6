"""Wire ids from a Schema Registry, over its REST interface; and the choice between it and the lock file."""

from __future__ import annotations

import json
import threading
from typing import Any, Final, Self, cast

from schemas import avro_files as files
from schemas.codec import Codec, LockedIds, WriterSchema, parse_schema
from schemas.errors import Fatal, Transient

TIMEOUT_S: Final = 5.0
"""Longest wait for one answer; the loop that asked backs off and asks again."""
COMPATIBILITY: Final = "FULL_TRANSITIVE"
"""What `schemas.freeze` checks here, asked of the registry as well."""
MAX_SCHEMAS: Final = 4096
"""Most foreign schemas kept; beyond it a registry is not one of ours."""
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_NO_SUCH_SCHEMA: Final = 40403
_TOO_MANY_REQUESTS: Final = 429


class RegistryIds:
    """Ids of a Schema Registry. Current schemas are registered when first written; answers are kept for good.

    Make one for each process and close it at the end; threads may share it.
    """

    def __init__(self, url: str, *, max_schemas: int = MAX_SCHEMAS) -> None:
        import httpx  # only where there is a registry: it takes a quarter of a second, which short commands feel

        self._transport_error = httpx.TransportError
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S, headers={"Accept": _MEDIA_TYPE})
        self._ids: dict[str, int] = {}
        self._writers: dict[int, WriterSchema] = {}
        self._max_schemas = max_schemas
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """The ids themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def id_of(self, record: str) -> int:
        """Wire id of a record's current schema, registered where the registry did not have it.

        Raises Transient where the registry is away, Fatal where it refuses the schema.
        """
        with self._lock:
            if record not in self._ids:
                self._ids[record] = self._register(record)
            return self._ids[record]

    def writer(self, wire_id: int) -> WriterSchema | None:
        """The schema behind a wire id; None where the registry has none, or it is not one of our records.

        Raises Transient where the registry is away.
        """
        with self._lock:
            if wire_id not in self._writers and (found := self._fetch(wire_id)) is not None:
                if len(self._writers) >= self._max_schemas:
                    raise Fatal(
                        f"the registry named more than {self._max_schemas} schemas of ours; is it the right one?"
                    )
                self._writers[wire_id] = found
            return self._writers.get(wire_id)

    def _register(self, record: str) -> int:
        subject = files.subject(record)
        self._ask("PUT", f"/config/{subject}", {"compatibility": COMPATIBILITY})
        text = files.current(record).text()
        answer = self._ask("POST", f"/subjects/{subject}/versions", {"schemaType": "AVRO", "schema": text})
        return int(answer["id"])

    def _fetch(self, wire_id: int) -> WriterSchema | None:
        answer = self._ask("GET", f"/schemas/ids/{wire_id}", None)
        if "schema" not in answer or answer.get("schemaType", "AVRO") != "AVRO":
            return None
        schema = json.loads(answer["schema"])
        # Some other system's schema may be a plain `"string"`, or a record with a name of ours elsewhere.
        if not isinstance(schema, dict) or cast("dict[str, Any]", schema).get("namespace") != files.NAMESPACE:
            return None
        record = str(cast("dict[str, Any]", schema).get("name"))
        if record not in files.record_names():
            return None
        return WriterSchema(record=record, label=f"{record} (id {wire_id})", parsed=parse_schema(answer["schema"]))

    def _ask(self, method: str, path: str, body: dict[str, str] | None) -> dict[str, Any]:
        try:
            response = self._client.request(method, path, json=body)
        except self._transport_error as e:
            raise Transient(f"the schema registry did not answer {method} {path}: {e!r}") from e
        what = f"the schema registry answered {method} {path} with {response.status_code}: {response.text[:1000]}"
        if response.is_server_error or response.status_code == _TOO_MANY_REQUESTS:
            raise Transient(what)
        try:
            answer: Any = response.json()
        except ValueError as e:  # a 200 with a web page: the URL is not a registry's
            raise Fatal(what) from e
        if response.is_success or answer.get("error_code") == _NO_SUCH_SCHEMA:
            return cast("dict[str, Any]", answer)
        raise Fatal(what)


def codec_for(registry_url: str) -> Codec:
    """The codec of a process: with ids of the registry at a URL, or of the lock file where it is empty."""
    return Codec(RegistryIds(registry_url) if registry_url else LockedIds())
