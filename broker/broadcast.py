"""Follows a compacted topic in a thread: rulesets and holds, as they stand now, for every process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType
from typing import Final, Self, cast

import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

from broker import clients
from broker.settings import Settings
from rules.ruleset import Ruleset, from_document
from schemas import catalogue
from schemas.errors import BadConfig, Fatal, Poison, Transient
from schemas.events import Event, HoldChanged, RolloutChanged, RulesetActivated, RulesetPublished
from schemas.registry import codec_for

POLL_S: Final = 0.2
QUIET_MS: Final = 1_000
MAX_KEYS: Final = 10_000
"""Keys kept of one topic; a record with a further key is refused with an error in the log."""
CLOSE_S: Final = 10.0
"""How long a follower may take to end; after that it is left to the end of the process."""
DECODE_TRIES: Final = 30
DECODE_PAUSE_S: Final = 2.0
"""About a minute of pauses while a registry is away; then the follower ends."""
ACTIVE_KEY: Final = "active"
MAX_PARSED: Final = 8
"""Rulesets kept parsed: the active one, both arms of a roll-out, and former ones that attempts under way still name."""
MAX_REFUSED: Final = 100
"""Unusable rulesets remembered, so that each is logged once and not for every record that names it."""

OnChange = Callable[[str, Event | None], None]


def _ignore(_key: str, _event: Event | None) -> None:
    """What happens on a change where nobody asked."""


class Broadcast:
    """The newest event of every key of a topic. Use it as a context manager, or call `start` and `close`.

    With `keep` false the snapshot stays empty and `on_change` alone is told: for a topic of more keys than fit, whose
    follower keeps what it needs. `on_change(key, event)` is called in the follower's thread after `snapshot` shows the
    change; event is None where the key was deleted.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        *,
        on_change: OnChange = _ignore,
        max_keys: int = MAX_KEYS,
        keep: bool = True,
    ) -> None:
        self._settings, self._topic, self._on_change, self._max_keys = settings, topic, on_change, max_keys
        self._keep = keep
        self._codec = codec_for(settings.schema_registry_url)
        self._snapshot: Mapping[str, Event] = MappingProxyType({})
        self._ready, self._stop = threading.Event(), threading.Event()
        self._waiting: set[int] | None = None
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._guarded, name=f"broadcast-{topic}", daemon=True)

    def start(self) -> Self:
        """Begin to follow."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop following; returns once the thread has ended, at the latest after `CLOSE_S`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until all that stood in the topic at the start was read.

        Raises Transient after timeout_s seconds, Fatal where the follower ended.
        """
        if not self._ready.wait(timeout_s):
            raise Transient(f"topic {self._topic} was not read to its end in {timeout_s:g} s; is the broker up?")
        self.snapshot()

    def snapshot(self) -> Mapping[str, Event]:
        """The newest event of every key. A new mapping after every change, so `is` tells whether one happened.

        Raises Fatal where the follower ended: what was read once must not pass for what holds now.
        """
        if self._failure is not None:
            raise Fatal(f"topic {self._topic} is followed no more: {self._failure}") from self._failure
        return self._snapshot

    def _guarded(self) -> None:
        try:
            self._follow()
        except Exception as e:  # noqa: BLE001 - handed over whole: whoever asks for the table gets it
            structlog.get_logger(__name__).error("the follower fails", topic=self._topic, error=repr(e))
            self._failure = e
            self._ready.set()

    def _follow(self) -> None:
        log = structlog.get_logger(__name__).bind(topic=self._topic)
        # News ends the broker's wait at once; a longer one only means fewer empty answers while nothing happens.
        consumer = clients.reader(self._settings, f"broadcast-{self._topic}", overrides={"fetch.wait.max.ms": QUIET_MS})
        try:
            while not self._stop.is_set() and self._waiting is None:
                try:
                    metadata = consumer.list_topics(self._topic, timeout=5).topics[self._topic]
                except KafkaException as e:
                    log.warning("cannot look the topic up yet", error=str(e))
                    continue
                if metadata.error is not None or not metadata.partitions:
                    log.warning("the topic is not there yet", error=str(metadata.error))
                    self._stop.wait(POLL_S)
                    continue
                self._waiting = set(metadata.partitions)
                consumer.assign([TopicPartition(self._topic, p, OFFSET_BEGINNING) for p in metadata.partitions])
            while not self._stop.is_set():
                message = consumer.poll(POLL_S)
                if message is not None:
                    self._take(message)
        finally:
            consumer.close()

    def _take(self, message: Message) -> None:
        log = structlog.get_logger(__name__).bind(topic=self._topic)
        error = message.error()
        if error is None:
            self._change(message)
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name carries the underscore
            waiting = self._waiting or set()
            waiting.discard(cast("int", message.partition()))
            if not waiting:
                self._ready.set()
        else:
            log.warning("cannot read for now", error=error.str())

    def _change(self, message: Message) -> None:
        log = structlog.get_logger(__name__).bind(topic=self._topic, offset=message.offset())
        key = (message.key() or b"").decode(errors="replace")
        now = dict(self._snapshot)
        event: Event | None = None
        if (value := message.value()) is None:
            now.pop(key, None)
        elif key not in now and len(now) >= self._max_keys:
            log.error("too many keys: the record is left out", key=key, most=self._max_keys)
            return
        else:
            try:
                event = now[key] = self._decode(value)
            except Poison as e:
                log.error("cannot use the record: the former stays", key=key, error=str(e))  # noqa: TRY400
                return
        if self._keep:
            self._snapshot = MappingProxyType(now)
        self._on_change(key, event)

    def _decode(self, value: bytes) -> Event:
        """The event; a registry that is away is asked again. Raises Poison, and Transient after `DECODE_TRIES`."""
        for _ in range(DECODE_TRIES - 1):
            try:
                return self._codec.decode(value)
            except Transient as e:
                structlog.get_logger(__name__).warning("cannot decode for now", topic=self._topic, error=str(e))
            if self._stop.wait(DECODE_PAUSE_S):
                break
        return self._codec.decode(value)


class RulesetTable:
    """The ruleset that decides now, and others by id; each parsed once. Safe to share between threads."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._lock = threading.Lock()
        self._seen: Mapping[str, Event] | None = None
        self._current: Ruleset | None = None
        self._parsed: OrderedDict[str, Ruleset] = OrderedDict()
        self._refused: dict[str, Event | None] = {}

    def current(self) -> Ruleset:
        """The active ruleset; a broken one is logged once and the former stays.

        Raises Transient where none was ever active.
        """
        with self._lock:
            snapshot = self._broadcast.snapshot()
            if snapshot is not self._seen:
                self._seen = snapshot
                self._current = self._active(snapshot) or self._current
            if self._current is None:
                raise Transient("no ruleset is active; run `presscheck up`, or publish one and activate it")
            return self._current

    def named(self, ruleset_id: str) -> Ruleset | None:
        """A published ruleset; None, logged once, where it was never published or is broken."""
        with self._lock:
            return self._find(self._broadcast.snapshot(), ruleset_id)

    def _active(self, snapshot: Mapping[str, Event]) -> Ruleset | None:
        active = snapshot.get(ACTIVE_KEY)
        if not isinstance(active, RulesetActivated):
            return None
        if self._current is not None and self._current.id == active.ruleset_id:
            return self._current
        found = self._find(snapshot, active.ruleset_id)
        log = structlog.get_logger(__name__).bind(ruleset_id=active.ruleset_id)
        if found is None:
            log.error("the active ruleset cannot be used: the former stays")
        else:
            log.info("ruleset in force", who=active.who)
        return found

    def _find(self, snapshot: Mapping[str, Event], ruleset_id: str) -> Ruleset | None:
        if (known := self._parsed.get(ruleset_id)) is not None:
            self._parsed.move_to_end(ruleset_id)
            return known
        published = snapshot.get(ruleset_id)
        if ruleset_id in self._refused and self._refused[ruleset_id] is published:
            return None
        try:
            ruleset = self._parse(published, ruleset_id)
        except (BadConfig, Poison) as e:
            log = structlog.get_logger(__name__).bind(ruleset_id=ruleset_id)
            log.error("the ruleset cannot be used", error=str(e))  # noqa: TRY400
            if len(self._refused) >= MAX_REFUSED:
                self._refused.clear()
            self._refused[ruleset_id] = published
            return None
        self._parsed[ruleset_id] = ruleset
        if len(self._parsed) > MAX_PARSED:
            self._parsed.popitem(last=False)
        return ruleset

    @staticmethod
    def _parse(published: Event | None, ruleset_id: str) -> Ruleset:
        if not isinstance(published, RulesetPublished):
            raise Poison("it was never published")
        ruleset = from_document(published.document)
        if ruleset.id != ruleset_id:
            raise Poison(f"its document is ruleset {ruleset.id}")
        return ruleset


class RolloutTable:
    """Where every roll-out stands."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast

    def current(self) -> Mapping[str, RolloutChanged]:
        """The newest step of each roll-out by its id, those that have ended included."""
        return {k: e for k, e in self._broadcast.snapshot().items() if isinstance(e, RolloutChanged)}


class HoldTable:
    """The holds that hold now."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast

    def active(self) -> Mapping[str, HoldChanged]:
        """Active holds by hold id."""
        return {k: e for k, e in self._broadcast.snapshot().items() if isinstance(e, HoldChanged) and e.active}


def follow_rulesets(settings: Settings) -> Broadcast:
    """A follower of topic `rulesets`, not started yet."""
    return Broadcast(settings, catalogue.RULESETS)


def follow_rollouts(settings: Settings) -> Broadcast:
    """A follower of topic `rollouts`, not started yet."""
    return Broadcast(settings, catalogue.ROLLOUTS)


def follow_holds(settings: Settings) -> Broadcast:
    """A follower of topic `holds`, not started yet."""
    return Broadcast(settings, catalogue.HOLDS)


def follow_looks(settings: Settings, on_look: OnChange) -> Broadcast:
    """A follower of topic `looks` that hands each record over and keeps none, not started yet."""
    return Broadcast(settings, catalogue.LOOKS, on_change=on_look, keep=False)
