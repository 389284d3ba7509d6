"""`presscheck schemas`: what is promised, and whether it still holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ops.console import EXIT_FINDING, JsonOption, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="List, show and check the schemas of the records.", add_completion=False)


@app.command("list")
def list_versions(as_json: JsonOption = False) -> None:
    """List every promised schema version with its wire id, registry subject and the topics it travels on."""
    from schemas import avro_files as files
    from schemas.catalogue import catalogue

    rows: list[dict[str, Any]] = [
        {
            "id": v.id,
            "record": v.record,
            "version": v.version,
            "subject": files.subject(v.record),
            "topics": [t.name for t in catalogue() if v.record in t.records],
            "sha256": v.sha256,
        }
        for v in files.locked()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        (">id", "record", ">version", "subject", "topics"),
        [(r["id"], r["record"], r["version"], r["subject"], ", ".join(r["topics"])) for r in rows],
    )


@app.command()
def show(
    record: Annotated[str, typer.Argument(help="Name of a record, for example PromptSubmitted.")],
    version: Annotated[int | None, typer.Option("--version", help="Version to show (default: the newest).")] = None,
    example: Annotated[bool, typer.Option("--example", help="Show a record of it instead, as JSON.")] = False,
) -> None:
    """Print a schema as JSON, all its parts unfolded: what a registry holds."""
    from schemas import avro_files as files
    from schemas import golden_messages as golden
    from schemas.codec import event_class
    from schemas.errors import Poison

    event_class(record)
    found = [v for v in files.locked() if v.record == record and version in {None, v.version}]
    if not found:
        raise Poison(f"{record} has no version {version}; `presscheck schemas list` shows them")
    newest = found[-1]
    if example:
        print_json(golden.read(newest, "full").values)
    else:
        print_json(json.loads(newest.text()))


@app.command()
def check(
    candidate: Annotated[
        Path | None, typer.Argument(help="An Avro schema file that is to follow the promised ones.", exists=True)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that every promise holds: files unchanged, old bytes readable. Exit 1 where one does not.

    With a file, check instead whether that schema could be the next version of its record.
    """
    findings = _of_candidate(candidate) if candidate is not None else _of_promises()
    if as_json:
        print_json(findings)
    else:
        print_table(("schema", "finding"), [(f["schema"], f["finding"]) for f in findings])
    if any(f["finding"] != "holds" for f in findings):
        raise typer.Exit(EXIT_FINDING)


def _of_promises() -> list[dict[str, str]]:
    from schemas import avro_files as files
    from schemas import golden_messages as golden
    from schemas.codec import Codec, LockedIds
    from schemas.errors import PresscheckError

    out: list[dict[str, str]] = []
    codec = Codec(LockedIds())
    for version in files.locked():
        found = "holds"
        try:
            version.text()
            for kind in golden.KINDS:
                codec.decode(golden.read(version, kind).wire)
        except (PresscheckError, FileNotFoundError) as e:
            found = str(e)
        out.append({"schema": version.label, "finding": found})
    stale = [r for r in files.record_names() if files.digest(files.expanded_text(r)) != files.current(r).sha256]
    return out + [
        {"schema": r, "finding": "changed since it was promised; run python -m schemas.freeze"} for r in stale
    ]


def _of_candidate(path: Path) -> list[dict[str, str]]:
    from schemas import avro_files as files
    from schemas.codec import event_class
    from schemas.compatibility import broken
    from schemas.errors import Poison

    text = path.read_text(encoding="utf-8")
    try:
        schema = cast("dict[str, Any]", json.loads(text))
    except json.JSONDecodeError as e:
        raise Poison(f"{path} is no JSON: {e}") from e
    record = str(schema.get("name"))
    event_class(record)
    rows = [(v.label, why) for v in files.locked() if v.record == record for why in broken(text, v.text()) or ["holds"]]
    return [{"schema": label, "finding": why} for label, why in rows]
