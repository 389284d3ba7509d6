"""`presscheck tail`: one decoded record a line, from any topic, without joining a group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, cast

import typer
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition
from rich.markup import escape

from broker.clients import classed, reader
from broker.settings import Settings
from ops.console import EXIT_WRONG_USE, JsonOption, StateOption, err, out
from ops.stack.running import running_stack
from schemas.codec import Codec
from schemas.errors import Fatal, Poison
from schemas.jsonable import bytes_json, event_json
from schemas.registry import codec_for

GROUP: Final = "presscheck-tail"
"""No group is joined; librdkafka only wants a name."""
CALL_S: Final = 10.0
POLL_S: Final = 0.2
MAX_LINE_CHARS: Final = 2_000


def records(settings: Settings, topic: str, *, from_beginning: bool, until_end: bool) -> Iterator[Message]:
    """Committed records of a topic as they come; with until_end, up to where each partition ended when it was reached.

    Raises Transient, Fatal. LookupError where there is no such topic.
    """
    consumer = reader(settings, GROUP)
    try:
        partitions = _partitions(consumer, topic)
        start = OFFSET_BEGINNING if from_beginning else OFFSET_END
        consumer.assign([TopicPartition(topic, p, start) for p in partitions])
        open_ = set(partitions)
        while open_ or not until_end:
            for message in consumer.consume(100, timeout=POLL_S):
                error = message.error()
                if error is None:
                    if not until_end or message.partition() in open_:
                        yield message
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes are named so
                    open_.discard(cast("int", message.partition()))
                elif isinstance(found := classed(error, f"reading {topic}"), Fatal):
                    raise found
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    try:
        # Of all topics: asking for one by name would have a broker with auto-creation make it.
        known = consumer.list_topics(timeout=CALL_S).topics
    except KafkaException as e:
        raise classed(e, "listing the topics") from e
    if topic not in known:
        raise LookupError(f"there is no topic {topic!r}; `presscheck topics` lists them")
    return sorted(known[topic].partitions)


def shown(message: Message, codec: Codec) -> dict[str, Any]:
    """A record as JSON: where it lay, and the event, or the error and the bytes where it could not be decoded."""
    line: dict[str, Any] = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp_ms": message.timestamp()[1],
        "key": bytes_json(message.key()),
        "headers": [
            {"name": name, "value": bytes_json(value)}
            for name, value in cast("list[tuple[str, bytes | None]]", message.headers() or [])
        ],
    }
    value = message.value()
    try:
        event = codec.decode(value)
    except Poison as e:
        return {**line, "record": None, "error": str(e), "value": bytes_json(value)}
    return {**line, "record": type(event).__name__, "value": event_json(event)}


def job_of(line: dict[str, Any]) -> str | None:
    """The job that a shown record is about: its event's, else its key's; None where neither names one."""
    event = cast("dict[str, Any]", line["value"] if line["record"] else {})
    job = event.get("request", event).get("job", {})
    return job.get("job_id") or event.get("job_id") or (line["key"] if isinstance(line["key"], str) else None)


def tail(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="Topic to read.")],
    *,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Start at the oldest record.")] = False,
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop at the end, do not wait for more.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Stop after so many records.")] = None,
    job: Annotated[str | None, typer.Option("--job", metavar="JOB", help="Only records of this job.")] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print committed records, one a line, as they come; Ctrl-C ends it."""
    settings = running_stack(state, database=False)
    codec, printed = codec_for(settings.schema_registry_url), 0
    source = records(settings, topic, from_beginning=from_beginning, until_end=until_end)
    try:
        for message in source:
            line = shown(message, codec)
            if job is not None and job_of(line) != job:
                continue
            _print(line, as_json=as_json)
            printed += 1
            if printed == limit:
                break
    except LookupError as e:
        err().print(str(e.args[0]), style="red", markup=False)
        raise typer.Exit(EXIT_WRONG_USE) from None
    except KeyboardInterrupt:
        return  # asked for: a clean end, not an error
    finally:
        cast("Any", source).close()


def _print(line: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(line, ensure_ascii=False))
        return
    at = datetime.fromtimestamp(max(line["timestamp_ms"], 0) / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
    what = line["record"] or "undecodable"
    rest = json.dumps(line["value"], ensure_ascii=False) if line["record"] else f"{line['error']} {line['value']}"
    place = f"{line['partition']}@{line['offset']}"
    style = "cyan" if line["record"] else "red"
    out().print(f"{at} [dim]{place}[/dim] [{style}]{what}[/{style}] {escape(rest[:MAX_LINE_CHARS])}", soft_wrap=True)
