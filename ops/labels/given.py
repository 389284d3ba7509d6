"""What people say of assets: parsed, tied to an asset that the ledger knows, and sent to `labels` or `touch-ups`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import psycopg
from confluent_kafka import KafkaError, KafkaException, Message

from audit import labels
from audit.labels import KnownAsset
from broker import clients
from broker.settings import Settings
from ops.submission import Fault
from rules.tree import nearest
from schemas import ids
from schemas.catalogue import LABELS, TOUCH_UPS
from schemas.errors import BadConfig, Poison, Transient
from schemas.events import AssetLabelled, LabelSource, TouchUpReported
from schemas.registry import codec_for

STAGE: Final = "label"
OTHER: Final = "other"
"""A defect that no failure mode of the catalogue names."""
JOB_ID: Final = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:/([0-9a-f]{8,64}))?")
ASSET: Final = re.compile(r"[0-9a-f]{8,64}")
FIELDS: Final = ("target", "defects", "source", "who", "why", "minutes")
MAX_MINUTES: Final = 10_000
MAX_LINE_CHARS: Final = 20_000
CHUNK: Final = 500
ACKNOWLEDGED_S: Final = 60.0

Word = AssetLabelled | TouchUpReported


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One word on an asset as it was given.

    `target` is a job id, an asset's sha256 or its beginning, or both as JOB/ASSET; no defects: sound. With `minutes` of
    hand work it is a touch-up for the one defect that is named.
    """

    place: str
    target: str
    defects: tuple[str, ...]
    source: LabelSource | None = None
    who: str | None = None
    why: str = ""
    minutes: float | None = None


def parse_lines(lines: Iterable[str], source: str) -> Iterator[Said | Fault]:
    """JSON lines to labels, or what is wrong with each line; empty lines are passed over."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            place = f"{source}:{number}"
            try:
                yield _said(line, place)
            except BadConfig as e:
                yield Fault(place=place, message=str(e))


def _said(line: str, place: str) -> Said:
    if len(line) > MAX_LINE_CHARS:
        raise BadConfig(f"is longer than {MAX_LINE_CHARS} characters")
    try:
        raw: object = json.loads(line)
    except (ValueError, RecursionError) as e:
        raise BadConfig(f"is not JSON: {e}") from None
    if not isinstance(raw, dict):
        raise BadConfig("is not a JSON object")
    fields = cast("dict[str, Any]", raw)
    for key in fields:
        if key not in FIELDS:
            raise BadConfig(f"there is no field {key!r}", mend=nearest(key, FIELDS))
    if not isinstance(fields.get("target"), str) or not isinstance(fields.get("defects"), list):
        raise BadConfig(
            "lacks target or defects", mend='write {"target": "JOB or ASSET", "defects": []} for a sound one'
        )
    defects = cast("list[object]", fields["defects"])
    texts = [*defects, *(fields[k] for k in ("source", "who", "why") if k in fields)]
    if not all(isinstance(t, str) for t in texts):
        raise BadConfig("defects must be a list of strings, and source, who and why strings")
    source = fields.get("source")
    known = [s.value for s in LabelSource]
    if source is not None and source not in known:
        raise BadConfig(f"there is no source {source!r}", mend=nearest(source, known))
    minutes = fields.get("minutes")
    if minutes is not None and (isinstance(minutes, bool) or not isinstance(minutes, int | float)):
        raise BadConfig("minutes must be a number")
    return Said(
        place=place,
        target=fields["target"],
        defects=tuple(cast("list[str]", defects)),
        source=None if source is None else LabelSource(source),
        who=fields.get("who"),
        why=fields.get("why", ""),
        minutes=minutes,
    )


def find_asset(conn: psycopg.Connection, target: str) -> KnownAsset:
    """The asset that is meant; of a job, the one that was judged last. Raises BadConfig where it is none or several."""
    if named := JOB_ID.fullmatch(target):
        for newest in labels.known_assets(conn, job_id=named[1], asset=named[2]):
            return newest
        raise BadConfig(f"no asset of job {target} was judged yet", mend="`presscheck audit trace` tells its story")
    if not ASSET.fullmatch(target):
        raise BadConfig(
            f"{target!r} is neither a job id nor the sha256 of an asset", mend="8 or more of its digits will do"
        )
    match labels.known_assets(conn, asset=target):
        case []:
            raise BadConfig(f"no asset {target} was judged yet", mend="look for it by its job, as JOB")
        case [asset]:
            return asset
        case found:
            several = " and ".join(f"{a.asset_sha256[:16]}… of job {a.job_id}" for a in found)
            raise BadConfig(f"{target} means {several}", mend="write out the sha256, or JOB/ASSET")


def label(said: Said, asset: KnownAsset, *, modes: Collection[str], who: str, at_ms: int, number: int = 0) -> Word:
    """The record of a label or a touch-up. `who` is for those that do not say; `number` tells those of a moment apart.

    Raises BadConfig for an unknown failure mode, or a value out of bounds.
    """
    known = [*modes, OTHER]
    for mode in said.defects:
        if mode not in known:
            raise BadConfig(f"there is no failure mode {mode!r}", mend=nearest(mode, known))
    who = said.who or who
    event_id = ids.event_id(asset.job_id, STAGE, f"{asset.asset_sha256} {who} {at_ms} {number}")
    try:
        if said.minutes is not None:
            return _touch_up(said, asset, said.minutes, event_id=event_id, who=who, at_ms=at_ms)
        return AssetLabelled(
            event_id=event_id,
            at_ms=at_ms,
            job_id=asset.job_id,
            asset_sha256=asset.asset_sha256,
            source=said.source or (LabelSource.AUDIT if asset.audit else LabelSource.REVIEWER),
            defects=tuple(dict.fromkeys(said.defects)),
            who=who,
            why=said.why,
        )
    except Poison as e:
        raise BadConfig(str(e)) from None


def _touch_up(said: Said, asset: KnownAsset, minutes: float, *, event_id: str, who: str, at_ms: int) -> TouchUpReported:
    if len(said.defects) != 1 or said.source is not None or said.why:
        raise BadConfig(
            "minutes of hand work belong to one defect, with no source and no why", mend="report each defect"
        )
    if not 0 <= minutes <= MAX_MINUTES:
        raise BadConfig(f"{minutes:g} minutes of hand work", mend=f"want 0 to {MAX_MINUTES}")
    return TouchUpReported(
        event_id=event_id,
        at_ms=at_ms,
        job_id=asset.job_id,
        asset_sha256=asset.asset_sha256,
        minutes=minutes,
        defect=said.defects[0],
        who=who,
    )


def publish(settings: Settings, events: Iterable[Word]) -> Iterator[Word]:
    """Send labels and yield each one once the broker has it. Sending one again only repeats it. Raises Transient."""
    producer = clients.producer(settings)
    codec = codec_for(settings.schema_registry_url)
    failed: list[str] = []

    def done(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(f"the label of job {(message.key() or b'').decode()} was not taken: {error.str()}")

    def settled() -> list[Word]:
        try:
            left = producer.flush(ACKNOWLEDGED_S)
        except KafkaException as e:
            raise clients.classed(e, "sending labels") from e
        if failed or left:
            raise Transient(failed[0] if failed else f"{left} labels were not acknowledged in {ACKNOWLEDGED_S:g} s")
        return chunk

    chunk: list[Word] = []
    for event in events:
        topic = TOUCH_UPS if isinstance(event, TouchUpReported) else LABELS
        producer.produce(topic, key=event.job_id.encode(), value=codec.encode(event), on_delivery=done)
        chunk.append(event)
        if len(chunk) == CHUNK:
            yield from settled()
            chunk = []
    yield from settled()
