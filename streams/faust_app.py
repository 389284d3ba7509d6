"""The Faust app whose every input partition is owned through the outbox: where it takes over, seeks and lets go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Final, cast

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from broker.outbox import Outbox
from broker.outbox_port import Inbound, Source
from broker.settings import Settings
from streams.credentials import credentials
from streams.lanes import Chunk, Lanes

SESSION_S: Final = 8.0
"""A member that is silent for this long loses its partitions."""
HEARTBEAT_S: Final = 1.0
FETCH_WAIT_MS: Final = 20
"""How long the broker holds an empty fetch. aiokafka has one fetch in flight, and a partition that was being emptied
when it was sent waits until it is back: this is what a hop may lose."""
MAX_CHUNK: Final = 1_000
"""Records taken from aiokafka at once; it also fetches at most 1 MiB of one partition."""
BUFFERED_CHUNKS: Final = 16
"""Chunks that may wait before the agent; Faust stops fetching a partition beyond that."""
LET_GO_S: Final = 5.0
"""Longest wait for batches that are committing when partitions are revoked; below the session."""
DRAIN_S: Final = 10.0
"""Longest wait for what was accepted when the process is told to stop; the rest is read again by the next owner."""
GAP_S: Final = 1.0
"""A reader that skipped something is sent back, at most once in this time."""


class ChunkMessage(ConsumerMessage):
    """Faust's message for a whole chunk: one event on Faust's way, whose cost would else be paid for every record."""

    __slots__ = ("chunk",)
    chunk: Chunk


class OutboxConsumerThread(driver.AIOKafkaConsumerThread):
    """Reads committed records only, with short waits, and hands on what one fetch gave as one chunk."""

    def __post_init__(self) -> None:
        """Faust's own constructor hook."""
        super().__post_init__()
        self._next: dict[TP, int] = {}

    def _create_worker_consumer(self, transport: Any) -> Any:
        # Faust reads uncommitted records unless its own exactly_once is on, and has no setting for the wait.
        consumer: Any = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - as above
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - as above
        return consumer

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        self._next.update(partitions)
        await super()._seek_wait(consumer, partitions)

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Any:
        fetched: Mapping[TP, list[Any]] = await super()._fetch_records(
            consumer, active_partitions, timeout=timeout, max_records=max_records
        )
        return {tp: [self._chunk(tp, records)] for tp, records in fetched.items() if records}

    def _chunk(self, tp: TP, records: Sequence[Any]) -> Chunk:
        source = Source(tp.topic, tp.partition)
        chunk = Chunk(source=source, after=self._next.get(tp, 0), events=tuple(_inbound(source, r) for r in records))
        self._next[tp] = chunk.events[-1].offset + 1
        return chunk


class OutboxConsumer(driver.Consumer):
    """Starts where the outbox stands, not where Faust's group does."""

    def _new_consumer_thread(self) -> OutboxConsumerThread:
        return OutboxConsumerThread(self, loop=self.loop, beacon=cast("Any", self).beacon)

    def _our_app(self) -> OutboxApp:
        return cast("OutboxApp", self.app)

    def _to_message(self, tp: TP, record: Chunk) -> ConsumerMessage:
        last = record.events[-1]
        message = ChunkMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp_ms / 1000,
            0,
            None,
            None,
            None,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )
        message.chunk = record
        return message

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Take over what is assigned and seek there. Faust calls this after every assignment, and now and then."""
        positions = await self._our_app().take_over(frozenset(self.assignment()))
        if positions:
            await self.seek_wait(positions)
        return positions

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let go before Faust tells the group that we did."""
        await self._our_app().let_go(revoked)
        await super().on_partitions_revoked(revoked)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's own watch for missing commits; here nothing is committed through Faust."""


class OutboxTransport(driver.Transport):
    """Faust's aiokafka transport with our consumer."""

    Consumer = OutboxConsumer


class OutboxApp(faust.App):
    """A Faust app that feeds lanes. Make it with `build_app`, inside the event loop that runs it."""

    outbox: Outbox
    lanes: Lanes
    pool: Executor
    inputs: frozenset[str]
    drain_s: float = DRAIN_S

    def _new_transport(self) -> Any:
        return OutboxTransport(self.conf.broker_consumer, cast("Any", self))

    async def _stop_consumer(self) -> None:
        for task in self.going_back():
            task.cancel()
        await super()._stop_consumer()  # no event arrives from here on, and the group still thinks we are there
        await self.lanes.settle(self.drain_s)

    async def take_over(self, assigned: frozenset[TP]) -> dict[TP, int]:
        """Own every assigned input partition; gives the offsets to read from.

        Raises Fatal where one cannot be taken over.
        """
        loop = asyncio.get_running_loop()
        async with self._taking:
            sources = {Source(tp.topic, tp.partition): tp for tp in assigned if tp.topic in self.inputs}
            generation = self.consumer_generation_id
            missing = [s for s in sources if generation != self._generation or self.lanes.expected(s) is None]
            self.lanes.drop(missing)
            positions = await asyncio.gather(
                *(loop.run_in_executor(self.pool, self.outbox.take_over, s) for s in missing)
            )
            for source, position in zip(missing, positions, strict=True):
                self.lanes.open(source, position)
            self._generation = generation
            # A partition that we held all along goes back to what its lane waits for.
            return {tp: e for s, tp in sources.items() if (e := self.lanes.expected(s)) is not None}

    async def let_go(self, revoked: Iterable[TP]) -> None:
        """Let sources go: what commits now may end, what waits is forgotten and will be read by the next owner."""
        sources = [Source(tp.topic, tp.partition) for tp in revoked]
        self.lanes.drop(sources)
        await self.lanes.settle(LET_GO_S)
        await asyncio.get_running_loop().run_in_executor(self.pool, self.outbox.release, sources)

    def still_ours(self, source: Source) -> bool:
        """Whether the live assignment names a source; any thread may ask."""
        return TP(source.topic, source.partition) in self.consumer.assignment()

    def go_back(self, source: Source, expected: int) -> None:
        """Send the reader back to an offset that it skipped, unless that is under way."""
        if source not in self._going_back:
            task = asyncio.get_running_loop().create_task(self._go_back(source, expected))
            self._going_back[source] = task

    def going_back(self) -> tuple[asyncio.Task[None], ...]:
        """What is under way to send readers back."""
        return tuple(self._going_back.values())

    async def _go_back(self, source: Source, expected: int) -> None:
        try:
            await asyncio.sleep(GAP_S)  # most gaps are what a rebalance left in a queue: the right events follow
            if self.lanes.expected(source) == expected and self.still_ours(source):
                await self.consumer.seek_wait({TP(source.topic, source.partition): expected})
        finally:
            del self._going_back[source]

    def _init_outbox(self, outbox: Outbox, lanes: Lanes, pool: Executor, inputs: Iterable[str]) -> None:
        self.outbox, self.lanes, self.pool, self.inputs = outbox, lanes, pool, frozenset(inputs)
        self._taking = asyncio.Lock()
        self._generation = -1
        self._going_back: dict[Source, asyncio.Task[None]] = {}


def build_app(
    settings: Settings, name: str, inputs: Iterable[str], outbox: Outbox, lanes: Lanes, pool: Executor
) -> OutboxApp:
    """The app of one stage: one agent that hands every event of the inputs to the lanes."""
    folder = settings.state_dir.absolute() / "faust" / name
    folder.mkdir(parents=True, exist_ok=True)
    app = OutboxApp(
        name,
        broker=[f"kafka://{host.strip()}" for host in settings.kafka_bootstrap.split(",")],
        broker_credentials=credentials(settings),
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_max_poll_records=MAX_CHUNK,
        consumer_auto_offset_reset="earliest",
        datadir=folder,
        store="memory://",
        stream_buffer_maxsize=BUFFERED_CHUNKS,
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    app._init_outbox(outbox, lanes, pool, inputs)  # noqa: SLF001 - the constructor's second half
    untyped: Any = app
    # acks=False: the outbox keeps positions, and Faust would gather every transaction marker as a gap for ever.
    topic = untyped.topic(*app.inputs, key_serializer="raw", value_serializer="raw", acks=False)

    async def take(stream: Any) -> None:
        async for event in stream.noack().events():
            await lanes.put(event.message.chunk)

    untyped.agent(topic, name=f"{name}.take")(take)
    return app


def _inbound(source: Source, record: Any) -> Inbound:
    """A record of aiokafka as the outbox takes it."""
    return Inbound(
        source=source,
        offset=record.offset,
        timestamp_ms=-1 if record.timestamp is None else record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
