"""`presscheck label`: say whether assets are sound, and which ones the random audit wants to know of."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import psutil
import typer

from audit import labels
from audit.migrate import connect
from ops.console import EXIT_WRONG_USE, JsonOption, StateOption, err, out, print_json, print_table
from ops.labels import Said, find_asset, parse_lines, publish
from ops.labels import label as label_of
from ops.rulesets import read_config
from ops.running import running_stack
from ops.submission import Fault
from schemas.errors import BadConfig
from schemas.events import AssetLabelled, LabelSource, Lane

AFTER: Final = re.compile(r"(\d{1,18})/([0-9a-f-]{36})")
MAX_FAULTS_SHOWN: Final = 20


def label(
    target: Annotated[
        str | None, typer.Argument(metavar="ASSET|JOB", help="sha256 of an asset (8 digits will do), or a job id.")
    ] = None,
    *,
    sound: Annotated[bool, typer.Option("--sound", help="Nothing is wrong with it.")] = False,
    defect: Annotated[
        list[str] | None, typer.Option("--defect", metavar="MODE", help="A failure mode that it shows, or other.")
    ] = None,
    source: Annotated[
        LabelSource | None, typer.Option("--source", help="Default: audit where a hash chose the asset.")
    ] = None,
    who: Annotated[str | None, typer.Option("--who", help="Who says so (default: the user of this process).")] = None,
    why: Annotated[str, typer.Option("--why", help="In your words.")] = "",
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE.jsonl", help="Many labels, one a line; - reads standard input."),
    ] = None,
    wanted: Annotated[bool, typer.Option("--wanted", help="List assets that the random audit waits for.")] = False,
    lane: Annotated[Lane | None, typer.Option("--lane", help="With --wanted: only this lane.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="With --wanted: assets on a page.")] = 50,
    after: Annotated[
        str | None, typer.Option("--after", metavar="PLACE", help="With --wanted: go on where a page ended.")
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Label one asset, or many from a file, or list those that are wanted. Labels teach `presscheck calibrate`.

    A line of the file: {"target": "JOB or ASSET", "defects": ["wrong-text"]}; no
    defects means sound. It may also hold source, who and why. Every line is checked
    before the first label is sent. A person's newest word on an asset counts.
    """
    if [target is not None, file is not None, wanted].count(True) != 1:
        raise BadConfig("one of an asset, --from and --wanted must be given", mend="see presscheck label --help")
    if wanted:
        _show_wanted(state, lane, limit, after, as_json=as_json)
        return
    if target is not None:
        if sound is bool(defect):
            raise BadConfig("say either --sound or --defect MODE", mend="--defect may be given several times")
        said = [Said(place=target, target=target, defects=tuple(defect or ()), source=source, why=why)]
    else:
        if sound or defect or source or why:
            raise BadConfig("--sound, --defect, --source and --why are for one asset", mend="write them in the file")
        said = _read(file or Path("-"))
    _send(state, said, who or psutil.Process().username(), as_json=as_json)


def _send(state: Path | None, said: list[Said], who: str, *, as_json: bool) -> None:
    settings = running_stack(state)
    modes = tuple(read_config(settings.config_dir).failure_modes)
    at_ms = time.time_ns() // 1_000_000
    faults: list[Fault] = []
    events: list[AssetLabelled] = []
    dsn = settings.database_url.get_secret_value()
    with connect(dsn) as conn:
        for number, one in enumerate(said):
            try:
                asset = find_asset(conn, one.target)
                events.append(label_of(one, asset, modes=modes, who=who, at_ms=at_ms, number=number))
            except BadConfig as e:
                faults.append(Fault(place=one.place, message=str(e)))
    _refuse(faults, len(said))
    sent = list(publish(settings, events))
    if as_json:
        print_json({"labels": [asdict(e) for e in sent]})
        return
    for event in sent[:MAX_FAULTS_SHOWN]:
        what = ", ".join(event.defects) or "sound"
        out().print(f"{event.asset_sha256[:16]}… of job {event.job_id}: {what}", markup=False)
    if len(sent) > MAX_FAULTS_SHOWN:
        out().print(f"… {len(sent)} labels in all")


def _read(file: Path) -> list[Said]:
    if str(file) != "-" and not file.is_file():
        raise BadConfig(f"{file} is not there")
    with sys.stdin if str(file) == "-" else file.open(encoding="utf-8") as lines:
        parsed = list(parse_lines(lines, str(file)))
    _refuse([p for p in parsed if isinstance(p, Fault)], len(parsed))
    if not parsed:
        raise BadConfig(f"{file} holds no label")
    return [p for p in parsed if isinstance(p, Said)]


def _refuse(faults: list[Fault], total: int) -> None:
    if not faults:
        return
    for fault in faults[:MAX_FAULTS_SHOWN]:
        err().print(f"{fault.place}: {fault.message}", style="red", markup=False, soft_wrap=True)
    err().print(f"{len(faults)} of {total} labels are wrong; nothing was sent", style="bold red", soft_wrap=True)
    raise typer.Exit(EXIT_WRONG_USE)


def _show_wanted(state: Path | None, lane: Lane | None, limit: int, after: str | None, *, as_json: bool) -> None:
    match = None if after is None else AFTER.fullmatch(after)
    if after is not None and match is None:
        raise BadConfig(f"{after!r} is no place in the list", mend="copy it from the end of the former page")
    dsn = running_stack(state, kafka=False).database_url.get_secret_value()
    with connect(dsn) as conn:
        page = labels.wanted(
            conn,
            lane=None if lane is None else lane.value,
            after=None if match is None else (int(match[1]), match[2]),
            limit=limit,
        )
    rest = f"{page[-1].at_ms}/{page[-1].event_id}" if len(page) == limit else None
    if as_json:
        print_json({"wanted": [asdict(w) for w in page], "next": rest})
        return
    if not page:
        out().print("no label is wanted")
        return
    print_table(("since", "lane", "engine", "verdict", "asset", "job", "prompt"), _rows(page))
    if rest is not None:
        out().print(f"go on with --after {rest}")


def _rows(page: tuple[labels.WantedLabel, ...]) -> Iterator[tuple[str, ...]]:
    for w in page:
        since = datetime.fromtimestamp(w.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")
        prompt = w.prompt if len(w.prompt) <= 60 else w.prompt[:59] + "…"
        yield since, w.lane, w.engine, w.verdict, w.asset_sha256[:16], w.job_id, prompt
