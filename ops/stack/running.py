"""What a command that needs a running stack asks first."""

from __future__ import annotations

from pathlib import Path

from broker.settings import Settings, load
from schemas.errors import BadConfig


def running_stack(state_dir: Path | None, *, kafka: bool = True, database: bool = True) -> Settings:
    """The settings of the stack in a state folder (None: the default one), or of an external one.

    Raises BadConfig with the mend where they name no broker or no database, whichever the command needs.
    """
    settings = load(state_dir)
    if (kafka and not settings.kafka_bootstrap) or (database and not settings.database_url.get_secret_value()):
        raise BadConfig(
            f"no stack is up in {settings.state_dir}",
            mend="start one with `presscheck up --detach`, or name its folder with --state",
        )
    return settings
