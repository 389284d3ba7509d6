from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from broker import logs
from broker.settings import Settings


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_our_lines_and_a_librarys_carry_process_and_job(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(Settings.model_validate({"log_json": True}), process="render")
    with logs.about_job("job-1"):
        structlog.get_logger("ours").info("rendered", seconds=2)
        logging.getLogger("theirs").warning("slow %s", "disk")
    structlog.get_logger("ours").info("idle")
    ours, theirs, idle = lines(capsys)
    assert ours.items() >= {"event": "rendered", "seconds": 2, "process": "render", "job_id": "job-1"}.items()
    assert theirs.items() >= {"event": "slow disk", "level": "warning", "job_id": "job-1", "logger": "theirs"}.items()
    assert "job_id" not in idle


def test_an_error_is_one_line_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(Settings.model_validate({"log_json": True}), process="render")
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    (line,) = lines(capsys)
    assert line["event"] == "failed"
    assert "broken" in json.dumps(line["exception"])


def test_the_level_is_kept_and_noisy_libraries_only_warn(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(Settings.model_validate({"log_json": True, "log_level": "info"}), process="sanity")
    structlog.get_logger("ours").debug("no")
    logging.getLogger("faust.app").info("no")
    logging.getLogger("faust.app").warning("yes")
    assert [line["event"] for line in lines(capsys)] == ["yes"]
