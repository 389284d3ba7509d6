"""The range of a replay as a person says it, and the command that means exactly the plan that was shown."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from ops.log_range import Bound, parse_bound
from ops.replay.source import LOG, Wanted
from rules.replay_plan import Plan
from rules.replay_steps import written_rate
from schemas.errors import BadConfig
from schemas.events import Preset

HASH_SHOWN = 16
SPECIAL = frozenset('"$`\\!')
"""What a shell does not leave as it is between double quotes."""


def bound_of(which: str, offset: int | None, moment: str | None, now_ms: int) -> Bound | None:
    """The bound that `--from-offset` or `--from-time` gives (`which` is from or to); None for neither.

    Raises BadConfig for both, and for what is no time.
    """
    if offset is not None and moment is not None:
        raise BadConfig(f"--{which}-offset and --{which}-time are both given", mend="choose one")
    if offset is not None:
        return Bound(offset=offset)
    if moment is None:
        return None
    found = parse_bound(moment, option=f"--{which}-time", now_ms=now_ms)
    if found.offset is not None:
        raise BadConfig(f"--{which}-time: {moment!r} is an offset", mend=f"give it by --{which}-offset")
    return found


def command_of(plan: Plan, wanted: Wanted) -> str:
    """The command that runs this plan and no other: what was said relative to now is said outright."""
    asked = plan.asked
    options = {
        "--partition": wanted.partition,
        "--where": asked.where or None,
        "--engine": asked.engine,
        "--sampling": asked.preset.value if asked.preset is not Preset.STANDARD else None,
        "--lane": asked.lane and asked.lane.value,
        "--hold": asked.hold,
        "--rate": written_rate(asked.rate),
        "--limit": asked.limit,
        "--cap": asked.cap,
        "--plan": plan.sha256[:HASH_SHOWN],
    }
    words = ["presscheck", "replay", asked.topic, *_pinned("from", wanted.begin), *_pinned("to", wanted.end)]
    for name, value in options.items():
        words += [] if value is None else [name, str(value)]
    words += ["--new-seeds"] if asked.new_seeds else []
    words += [] if asked.source == LOG else [f"--from-{asked.source}"]
    return " ".join(shell_word(word) for word in words)


def shell_word(word: str) -> str:
    """A word for a shell; one that holds single quotes alone stands in double ones, so that people can read it."""
    return f'"{word}"' if "'" in word and SPECIAL.isdisjoint(word) else shlex.quote(word)


def _pinned(which: str, bound: Bound | None) -> list[str]:
    if bound is None:
        return []
    if bound.offset is not None:
        return [f"--{which}-offset", str(bound.offset)]
    moment = datetime.fromtimestamp((bound.at_ms or 0) / 1000, UTC).replace(tzinfo=None)
    return [f"--{which}-time", moment.isoformat(timespec="milliseconds")]
