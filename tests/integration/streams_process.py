"""A Faust process for tests: copies every record of one topic to another through the outbox, as it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from broker import logs
from broker.outbox_kafka import KafkaLog
from broker.outbox_port import Decision, Inbound, Outgoing, Source
from broker.settings import Settings
from streams.runner import Runner


class Copy:
    """One output for every input, with its number."""

    def __init__(self, out: str) -> None:
        self._out = out

    def taken_over(self, source: Source) -> None:
        """Nothing to read back."""

    def decide(self, source: Source, events: Sequence[Inbound]) -> Decision:
        """The same bytes again."""
        return Decision(
            outgoing=tuple(Outgoing(topic=self._out, key=e.key or b"", value=e.value or b"") for e in events)
        )


def main(argument: str) -> int:
    """Run until SIGTERM. `argument` is a JSON object: settings, app, inputs, out."""
    given = json.loads(argument)
    settings = Settings.model_validate(given["settings"])
    logs.set_up(settings, process=given["app"])
    log = KafkaLog(settings, given["app"])
    return Runner(settings, given["app"], given["inputs"], log, Copy(given["out"])).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
