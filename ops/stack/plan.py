"""Which processes a stack has, what each reads, and where its position lies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol, cast

from broker.settings import Settings
from schemas import catalogue
from schemas.catalogue import render_topic
from schemas.errors import BadConfig
from schemas.events import Lane


class Room(Protocol):
    """A module that is a process."""

    def main(self, settings: Settings) -> int | None:
        """Work until SIGTERM or SIGINT, then drain; the exit status.

        Raises Fatal where only a fresh process may go on.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage and the module with its main.

    `group` is the consumer group whose members hold its partitions, `positions` the group in which the true position
    lies; both empty for the audit, which keeps its position in Postgres, and for what reads no topic as a stage does.
    """

    name: str
    module: str
    group: str
    positions: str
    reads: Callable[[Iterable[str]], tuple[str, ...]]


def _fixed(*topics: str) -> Callable[[Iterable[str]], tuple[str, ...]]:
    return lambda _engines: topics


def _render(engines: Iterable[str]) -> tuple[str, ...]:
    return tuple(render_topic(e, lane) for e in sorted(engines) for lane in Lane)


def _audited(engines: Iterable[str]) -> tuple[str, ...]:
    return tuple(t.name for t in catalogue.topics_for(engines) if "audit" in t.read_by)


STAGES: Final = (
    Stage(
        name="sanity",
        module="streams.sanity",
        group="sanity",
        positions="sanity-outbox",
        reads=_fixed(catalogue.PROMPTS, catalogue.REPLAY, catalogue.REPLAY_REQUESTS),
    ),
    Stage(name="render", module="workers.render", group="render", positions="render", reads=_render),
    Stage(
        name="inspect",
        module="workers.inspect",
        group="inspect",
        positions="inspect",
        reads=_fixed(catalogue.IMAGES_GENERATED),
    ),
    Stage(
        name="validation",
        module="streams.validation",
        group="validation",
        positions="validation-outbox",
        reads=_fixed(catalogue.IMAGES_INSPECTED),
    ),
    Stage(name="audit", module="audit.sink", group="", positions="", reads=_audited),
    Stage(name="rollouts", module="ops.rollout.controller", group="", positions="", reads=_fixed()),
)
"""In the order in which a job passes them, then those that no job passes. The names are what `presscheck run` takes."""


PREPARE: Final = "prepare"
"""A process that ends: it creates what a stack needs, where no `up` does (in a container)."""


def stage(name: str) -> Stage | None:
    """The stage of a name."""
    return next((s for s in STAGES if s.name == name), None)


def run_stage(name: str, settings: Settings) -> int:
    """Be the process of a stage until it is asked to stop; the exit status. Only its own process imports a room."""
    found = stage(name)
    if found is None and name != PREPARE:
        known = ", ".join([*(s.name for s in STAGES), PREPARE])
        raise BadConfig(f"there is no process {name!r}", mend=f"there are {known}")
    room = cast("Room", import_module(found.module if found else "ops.stack.prepare"))
    return room.main(settings) or 0
