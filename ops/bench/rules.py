"""Measures `presscheck rules rollback` under load: how long the former rules still decide after the command is given.

Records say which ruleset decided them and when (`at_ms`, the stage's clock). All processes run on one machine and one
clock; the command is a process of its own, so its start counts. It starts as an installed program does, with its byte
code cached: that is kept in the stack's folder, for a checkout may have none. What the command takes is left out again
where a stage alone is meant: how long it decides on by the former rules once the activation is on its topic.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from broker.broadcast import ACTIVE_KEY
from broker.outbox_kafka import KafkaLog
from broker.outbox_port import Source
from ops.bench.path import ARRIVE_S, WARM_UP_S, Sender
from ops.bench.path_reader import Arrivals
from ops.bench.path_stack import PathStack
from ops.bench.stack import machine
from ops.rulesets.publish import activate, publish
from ops.whole_topic import whole_topic
from rules.ruleset import Ruleset, from_document
from schemas.catalogue import DESIGN_QUEUE, RULESETS, topics_for
from schemas.errors import Fatal
from schemas.events import AssetApproved, RenderRequested
from schemas.registry import codec_for

LIMIT_S: Final = 3.0
APPLIED_S: Final = 2.0
"""What a running stage promises, from the activation on the topic until it decides by it alone."""
STAGES: Final = ("sanity", "validation")
BEFORE_S: Final = 5.0
AFTER_S: Final = 4.0
COMMAND_S: Final = 60.0

Decided = tuple[str, int, str, str]
"""Stage, moment (ms since 1970 UTC), id of the ruleset, and job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackFigures:
    """What was measured. Seconds from the command until the last record that the ruleset taken back decided.

    command_s: How long the command itself took. by_stage: The same by stage. applied_s: By stage, seconds from the time
    that the activation has on its topic until the stage decided by it alone. records: Records by ruleset, the one taken
    back first. last_new_s: When the other ruleset decided last. others: Records that name neither. lost, twice: Jobs
    that did not arrive, or more than once.
    """

    machine: str
    load_before: float
    load_after: float
    rate: float
    command_s: float
    last_old_s: float
    last_new_s: float
    by_stage: dict[str, float]
    applied_s: dict[str, float]
    records: tuple[int, int]
    others: int
    sent: int
    lost: int
    twice: int
    limit_s: float
    applied_limit_s: float

    @property
    def within_limits(self) -> bool:
        """Whether the change came in time, in every stage, and cost no job."""
        applied = all(name in self.applied_s and self.applied_s[name] < self.applied_limit_s for name in STAGES)
        return self.clean and applied and self.last_old_s < self.limit_s

    @property
    def clean(self) -> bool:
        """Whether every job arrived once, decided by one of the two rulesets, and both of them decided some."""
        return not (self.lost or self.twice or self.others) and all(self.records)


def applied_s(decided: Sequence[Decided], activated_ms: int, *, old: str, new: str) -> dict[str, float]:
    """By stage, seconds from an activation until it decided by the new ruleset alone.

    That is its first record by the new one from then on, or its last one by the old where that came later. A stage that
    decided nothing by the new one is left out.
    """
    found: dict[str, float] = {}
    for name in STAGES:
        mine = [(ruleset_id, at_ms) for stage, at_ms, ruleset_id, _ in decided if stage == name]
        first = min((at_ms for ruleset_id, at_ms in mine if ruleset_id == new and at_ms >= activated_ms), default=None)
        if first is not None:
            last = max((at_ms for ruleset_id, at_ms in mine if ruleset_id == old), default=first)
            found[name] = round((max(first, last) - activated_ms) / 1000, 3)
    return found


def other_ruleset(ruleset: Ruleset) -> Ruleset:
    """A ruleset that decides alike under another id: one threshold is a little wider."""
    document = json.loads(ruleset.document)
    document["ladder.yml"]["max_cost_usd"] += 0.01
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return from_document(text)


def measure(rate: float, before_s: float = BEFORE_S, after_s: float = AFTER_S) -> RollbackFigures:
    """Send `rate` jobs a second, and take a ruleset back amid them. Raises Fatal, Transient where the stack fails."""
    load_before = os.getloadavg()[0]
    with PathStack() as stack:
        former, bad = stack.ruleset, other_ruleset(stack.ruleset)
        publish(stack.settings, bad, who="bench", at_ms=_now_ms(), activate=False)
        activate(stack.settings, bad.id, who="bench", at_ms=_now_ms())
        _command(stack, "list")  # its byte code is cached from here on
        sender = Sender(stack, rate)
        topics = frozenset(t.name for t in topics_for(stack.engines) if t.name.startswith("render."))
        given: list[tuple[int, float]] = []
        with Arrivals(stack, topics) as arrivals:
            sent = sender.send(WARM_UP_S)
            rolling = threading.Timer(before_s, lambda: given.append(_roll_back(stack)))
            rolling.start()
            sent |= sender.send(before_s)
            end = time.monotonic() + COMMAND_S
            while rolling.is_alive() and time.monotonic() < end:  # the load stays until the command has ended
                sent |= sender.send(1.0)
            sent |= sender.send(after_s)
            arrivals.wait_for(sent, ARRIVE_S)
        stack.check()
        stack.stop_stages()
        if not given:
            raise Fatal("the rollback did not end")
        decided, activated_ms = _decided(stack, topics), _activated_ms(stack)
        arrived = Counter(job_id for stage, _, _, job_id in decided if stage == "validation")
    ((began_ms, command_s),) = given
    old = [(stage, at_ms) for stage, at_ms, ruleset_id, _ in decided if ruleset_id == bad.id]
    new = [at_ms for _, at_ms, ruleset_id, _ in decided if ruleset_id == former.id]
    by_stage = {
        name: round((max((at for stage, at in old if stage == name), default=began_ms) - began_ms) / 1000, 3)
        for name in STAGES
    }
    return RollbackFigures(
        machine=machine(),
        load_before=round(load_before, 2),
        load_after=round(os.getloadavg()[0], 2),
        rate=rate,
        command_s=round(command_s, 3),
        last_old_s=max(by_stage.values()),
        last_new_s=round((max(new, default=began_ms) - began_ms) / 1000, 3),
        by_stage=by_stage,
        applied_s=applied_s(decided, activated_ms, old=bad.id, new=former.id),
        records=(len(old), len(new)),
        others=len(decided) - len(old) - len(new),
        sent=len(sent),
        lost=len(sent.keys() - arrived.keys()),
        twice=sum(n > 1 for n in arrived.values()),
        limit_s=LIMIT_S,
        applied_limit_s=APPLIED_S,
    )


def _roll_back(stack: PathStack) -> tuple[int, float]:
    """When the command was given (ms since 1970 UTC), and the seconds until it ended. Raises Fatal where it fails."""
    began_ms, began = _now_ms(), time.monotonic()
    _command(stack, "rollback")
    return began_ms, time.monotonic() - began


def _command(stack: PathStack, name: str) -> None:
    folder = stack.settings.state_dir
    # As an installed program starts: its byte code is compiled once and kept, whatever this process was told.
    python = ["env", "-u", "PYTHONDONTWRITEBYTECODE", sys.executable, "-X", f"pycache_prefix={folder / 'byte-code'}"]
    argv = [*python, "-m", "ops", "rules", name, "--state", str(folder), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    if done.returncode:
        raise Fatal(f"`rules {name}` failed: {done.stderr[-500:]}")


def _activated_ms(stack: PathStack) -> int:
    """The time of the newest activation's record. Raises Fatal where there is none."""
    times = [m.timestamp()[1] for m in whole_topic(stack.settings, RULESETS) if m.key() == ACTIVE_KEY.encode()]
    if not times:
        raise Fatal("no activation is on its topic")
    return times[-1]


def _decided(stack: PathStack, topics: frozenset[str]) -> list[Decided]:
    """Stage, moment, ruleset and job of every first routing and every approval."""
    log, codec = KafkaLog(stack.settings, "bench-rules"), codec_for(stack.settings.schema_registry_url)
    partitions = {t.name: t.partitions for t in topics_for(stack.engines)}
    found: list[Decided] = []
    try:
        for topic in (*sorted(topics), DESIGN_QUEUE):
            for partition in range(partitions[topic]):
                for _, value in log.read_back(Source(topic, partition)):
                    event = codec.decode(value)
                    job_id = event.request.job.job_id if isinstance(event, RenderRequested | AssetApproved) else ""
                    if isinstance(event, RenderRequested):
                        found.append(("sanity", event.at_ms, event.request.ruleset_id, job_id))
                    elif isinstance(event, AssetApproved):
                        found.append(("validation", event.at_ms, event.judgement.ruleset_id, job_id))
    finally:
        log.close()
    return found


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
