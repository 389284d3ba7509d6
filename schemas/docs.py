"""`python -m schemas.docs`: draw `docs/topics.md`, `docs/asyncapi.yaml` and `docs/pipeline.svg` from the catalogue."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from schemas import avro_files as files
from schemas.catalogue import Topic, catalogue
from schemas.diagram import pipeline_svg
from schemas.events import Lane

COMMAND: Final = "python -m schemas.docs"
AVRO_FORMAT: Final = "application/vnd.apache.avro+json;version=1.9.0"
PARAMETERS: Final[Mapping[str, dict[str, Any]]] = {
    "engine": {"description": "An engine profile of the ruleset, for example typeset."},
    "lane": {"description": "Lane of the job.", "enum": [lane.value for lane in Lane]},
}


def _kept(topic: Topic) -> str:
    if topic.retention_hours < 0:
        kept = "for good"
    else:
        days, hours = divmod(topic.retention_hours, 24)
        kept = f"{days} days" if not hours else f"{topic.retention_hours} h"
    return f"newest of each key, {kept}" if topic.compacted else kept


def _code(names: Sequence[str]) -> str:
    return ", ".join(f"[`{n}`](#{n.lower()})" for n in names)


def topics_page(topics: Sequence[Topic]) -> str:
    """The page on topics and records, in Markdown."""
    out = [
        "# Topics and records",
        "",
        f"Drawn by `{COMMAND}` from `schemas/topics.toml` and `schemas/avro/`; edit those.",
        "",
        "Values are Avro in the Confluent wire format. Keys are UTF-8 text. Producers partition by murmur2, as Java",
        "clients do; read with `isolation.level=read_committed`, or records of aborted transactions are seen.",
        "",
        "| topic | what | record | key | partitions | kept | written by | read by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    out += [
        f"| `{t.name}` | {t.doc} | {_code(t.records)} | {t.key} | {t.partitions} | {_kept(t)}"
        f" | {', '.join(t.written_by)} | {', '.join(t.read_by)} |"
        for t in topics
    ]
    out += ["", "## Records", ""]
    for record in files.record_names():
        version = files.current(record)
        title = f"Version {version.version}, wire id {version.id}."
        out += [*_section(record, title), ""]
    out += ["## Parts", ""]
    for part in files.part_names():
        out += [*_section(part, ""), ""]
    return "\n".join(out).rstrip() + "\n"


def _section(name: str, title: str) -> list[str]:
    schema = files.load(name)
    out = [f"### {name}", "", f"{schema['doc']} {title}".rstrip(), ""]
    if schema["type"] == "enum":
        return [*out, ", ".join(f"`{s}`" for s in schema["symbols"])]
    out += ["| field | type | bounds | what |", "|---|---|---|---|"]
    return out + [f"| `{f['name']}` | {_type(f)} | {_bounds(f)} | {f['doc']} |" for f in schema["fields"]]


def _type(field: Mapping[str, Any]) -> str:
    said = _type_name(field["type"])
    if "default" in field and field["default"] is not None:
        return f"{said} = {json.dumps(field['default'])}"
    return said


def _type_name(schema: Any) -> str:
    match schema:
        case [*branches]:
            return " or ".join(_type_name(b) for b in branches)
        case {"items": inner}:
            return f"array of {_type_name(inner)}"
        case {"values": inner}:
            return f"map of {_type_name(inner)}"
        case _:
            short = str(schema).removeprefix(f"{files.NAMESPACE}.")
            return short if short == schema else f"[{short}](#{short.lower()})"


def _bounds(field: Mapping[str, Any]) -> str:
    said: list[str] = []
    if "pattern" in field:
        said.append(f"`{field['pattern'].replace('|', chr(92) + '|')}`")
    for low, high, unit in (
        ("min", "max", ""),
        ("min_length", "max_length", "long "),
        ("min_items", "max_items", "of "),
    ):
        if low in field or high in field:
            said.append(f"{unit}{field.get(low, '')}..{field.get(high, '')}")
    return ", ".join(said)


def asyncapi(topics: Sequence[Topic]) -> dict[str, Any]:
    """The AsyncAPI 3 document: a channel for each topic, a message for each record, an operation for each use."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Presscheck",
            "version": "1.0.0",
            "description": f"Drawn by `{COMMAND}` from schemas/topics.toml and schemas/avro/; edit those.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "avro/binary",
        "channels": {_id(t.name): _channel(t) for t in topics},
        "operations": {
            _id(f"{who}-{verb}s-{t.name}"): _operation(t, verb)
            for t in topics
            for verb, actors in (("send", t.written_by), ("receive", t.read_by))
            for who in actors
        },
        "components": {"messages": {r: _message(r) for r in files.record_names()}},
    }


def _id(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9-]+", "-", name).strip("-")


def _channel(topic: Topic) -> dict[str, Any]:
    config: dict[str, Any] = {
        "cleanup.policy": ["compact"] if topic.compacted else ["delete"],
        "retention.ms": topic.retention_hours * 3_600_000 if topic.retention_hours >= 0 else -1,
    }
    kafka = {"partitions": topic.partitions, "topicConfiguration": config, "bindingVersion": "0.5.0"}
    parameters = {name: PARAMETERS[name] for name in re.findall(r"\{(\w+)\}", topic.name)}
    return {
        "address": topic.name,
        "description": f"{topic.doc} The key is {topic.key}.",
        "messages": {r: {"$ref": f"#/components/messages/{r}"} for r in topic.records},
        **({"parameters": parameters} if parameters else {}),
        "bindings": {"kafka": kafka},
    }


def _operation(topic: Topic, verb: str) -> dict[str, Any]:
    return {"action": verb, "channel": {"$ref": f"#/channels/{_id(topic.name)}"}}


def _message(record: str) -> dict[str, Any]:
    version = files.current(record)
    return {
        "name": record,
        "summary": files.load(record)["doc"],
        "payload": {"schemaFormat": AVRO_FORMAT, "schema": json.loads(version.text())},
        "bindings": {
            "kafka": {
                "key": {"type": "string"},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "RecordNameStrategy",
                "bindingVersion": "0.5.0",
            }
        },
    }


def pages() -> dict[str, str]:
    """Every generated page by its name in `docs/`."""
    topics = catalogue()
    document = yaml.safe_dump(asyncapi(topics), sort_keys=False, allow_unicode=True, width=120)
    return {
        "topics.md": topics_page(topics),
        "asyncapi.yaml": f"# Drawn by `{COMMAND}`; edit schemas/ instead.\n{document}",
        "pipeline.svg": pipeline_svg(topics),
    }


def main(folder: Path) -> None:
    """Write the pages that changed, and say which."""
    for name, text in pages().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else files.HERE.parent / "docs")
