"""`presscheck label`: say whether assets are sound, and which ones wait for somebody to say so."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import psutil
import typer

from audit import labels
from audit.migrate import connect
from ops.console import EXIT_WRONG_USE, JsonOption, StateOption, err, out, print_json, print_table
from ops.labels import sheet as label_sheet
from ops.labels.given import OTHER, Said, Word, find_asset, parse_lines, publish
from ops.labels.given import label as label_of
from ops.rulesets.publish import read_config
from ops.stack.running import running_stack
from ops.submission import Fault
from schemas.errors import BadConfig
from schemas.events import LabelSource, Lane, TouchUpReported
from store.artifacts import ArtifactStore
from store.objects import open_objects

AFTER: Final = re.compile(r"(\d{1,18})/([0-9a-f-]{36})")
MAX_FAULTS_SHOWN: Final = 20
MAX_PROMPT: Final = 160


def label(
    target: Annotated[
        str | None,
        typer.Argument(metavar="ASSET|JOB", help="sha256 of an asset (8 digits will do), a job id, or JOB/ASSET."),
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
    touched: Annotated[
        float | None,
        typer.Option("--touched", metavar="MINUTES", help="The defect was mended by hand, in so many minutes."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE.jsonl", help="Many labels, one a line; - reads standard input."),
    ] = None,
    wanted: Annotated[bool, typer.Option("--wanted", help="List assets that the random audit waits for.")] = False,
    reviews: Annotated[bool, typer.Option("--reviews", help="List assets in review that wait for a word.")] = False,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="FILE.html", help="Of a list: a page with the pictures, to label on."),
    ] = None,
    lane: Annotated[Lane | None, typer.Option("--lane", help="Of a list: only this lane.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Of a list: assets on a page.")] = 50,
    after: Annotated[
        str | None, typer.Option("--after", metavar="PLACE", help="Of a list: go on where a page ended.")
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Label one asset, or many from a file, or list those that wait. Labels teach `presscheck calibrate`.

    A line of the file: {"target": "JOB or ASSET", "defects": ["wrong-text"]}; no
    defects means sound. It may also hold source, who, why and minutes (of hand work,
    a touch-up). Every line is checked before the first is sent. A person's newest word
    on an asset counts. A label delivers nothing and takes nothing back.
    """
    if [target is not None, file is not None, wanted, reviews].count(True) != 1:
        raise BadConfig(
            "one of an asset, --from, --wanted and --reviews must be given", mend="see presscheck label --help"
        )
    if wanted or reviews:
        page = _Page(reviews=reviews, lane=lane, limit=limit, after=_after(after), sheet=sheet)
        _show_waiting(state, page, as_json=as_json)
        return
    if sheet is not None:
        raise BadConfig("--sheet draws a list", mend="add --wanted or --reviews")
    if target is not None:
        if sound is bool(defect):
            raise BadConfig("say either --sound or --defect MODE", mend="--defect may be given several times")
        one = Said(place=target, target=target, defects=tuple(defect or ()), source=source, why=why, minutes=touched)
        said = [one]
    else:
        if sound or defect or source or why or touched is not None:
            raise BadConfig(
                "--sound, --defect, --source, --why and --touched are for one asset", mend="write them in the file"
            )
        said = _read(file or Path("-"))
    _send(state, said, who or psutil.Process().username(), as_json=as_json)


def _send(state: Path | None, said: list[Said], who: str, *, as_json: bool) -> None:
    settings = running_stack(state)
    modes = tuple(read_config(settings.config_dir).failure_modes)
    at_ms = time.time_ns() // 1_000_000
    faults: list[Fault] = []
    events: list[Word] = []
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
        if isinstance(event, TouchUpReported):
            what = f"{event.minutes:g} minutes of hand work for {event.defect}"
        else:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """What part of which list is asked for."""

    reviews: bool
    lane: Lane | None
    limit: int
    after: tuple[int, str] | None
    sheet: Path | None


def _after(place: str | None) -> tuple[int, str] | None:
    match = None if place is None else AFTER.fullmatch(place)
    if place is not None and match is None:
        raise BadConfig(f"{place!r} is no place in the list", mend="copy it from the end of the former page")
    return None if match is None else (int(match[1]), match[2])


def _show_waiting(state: Path | None, page: _Page, *, as_json: bool) -> None:
    if page.sheet is not None and not page.sheet.parent.is_dir():
        raise BadConfig(f"{page.sheet.parent} is no folder", mend="make it, or name another place with --sheet")
    settings = running_stack(state, kafka=False)
    store = ArtifactStore(open_objects(settings))
    with connect(settings.database_url.get_secret_value()) as conn:
        lane = None if page.lane is None else page.lane.value
        found = labels.wanted(conn, reviews=page.reviews, lane=lane, after=page.after, limit=page.limit)
    rest = f"{found[-1].at_ms}/{found[-1].event_id}" if len(found) == page.limit else None
    if page.sheet is not None:
        modes = [*read_config(settings.config_dir).failure_modes, OTHER]
        page.sheet.write_text(label_sheet.sheet(found, store, modes=modes), encoding="utf-8")
    if as_json:
        listed = [{**asdict(w), "picture": store.place(w.asset_sha256)} for w in found]
        print_json({"wanted": listed, "next": rest})
        return
    if not found:
        out().print("no label is wanted")
        return
    if page.sheet is None:
        print_table(("since", "lane", "asset", "job", "wants", "prompt"), _rows(found))
    else:
        out().print(f"{len(found)} pictures in {page.sheet}: open it, and then presscheck label --from labels.jsonl")
    if rest is not None:
        out().print(f"go on with --after {rest}")


def _rows(page: tuple[labels.WantedLabel, ...]) -> Iterator[tuple[str, ...]]:
    for w in page:
        since = datetime.fromtimestamp(w.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")
        prompt = w.prompt if len(w.prompt) <= MAX_PROMPT else w.prompt[: MAX_PROMPT - 1] + "…"
        yield since, w.lane, w.asset_sha256[:16], w.job_id, " / ".join(w.required_text), prompt
