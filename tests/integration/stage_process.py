"""Runs a stage of the pipeline as a process for tests: `stage_process.py STAGE SETTINGS_JSON`, as one argument."""

from __future__ import annotations

import json
import sys

from broker.settings import Settings
from streams import sanity, validation


def main(argument: str) -> int:
    """Run until SIGTERM. `argument` is a JSON object: stage and settings."""
    given = json.loads(argument)
    settings = Settings.model_validate(given["settings"])
    return {"sanity": sanity.main, "validation": validation.main}[given["stage"]](settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
