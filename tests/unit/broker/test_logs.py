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


def test_a_chatty_library_is_heard_once_and_then_counted(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(Settings.model_validate({"log_json": True}), process="sanity")
    for port in (9092, 9093, 9094):
        logging.getLogger("aiokafka.client").error("cannot reach %s", port)
    logging.getLogger("aiokafka.client").error("another thing")
    logging.getLogger("librdkafka.producer").error("cannot reach 9092")
    for _ in range(2):
        logging.getLogger("ours").error("cannot reach 9092")
    heard = [(line["logger"], line["event"]) for line in lines(capsys)]
    assert heard == [
        ("aiokafka.client", "cannot reach 9092"),
        ("aiokafka.client", "another thing"),
        ("librdkafka.producer", "cannot reach 9092"),
        ("ours", "cannot reach 9092"),
        ("ours", "cannot reach 9092"),
    ]


def _record(words: str) -> logging.LogRecord:
    return logging.LogRecord("aiokafka", logging.ERROR, "", 0, words, None, None)


def test_what_was_left_out_is_told_with_the_next_line() -> None:
    clock = iter([0.0, 1.0, 9.9, 10.0, 11.0, 20.0])
    repeats = logs.Repeats(every_s=10, clock=lambda: next(clock))
    records = [_record(f"try {n} failed") for n in range(6)]
    assert [repeats.filter(r) for r in records] == [True, False, False, True, False, True]
    assert records[0].getMessage() == "try 0 failed"
    assert records[3].getMessage() == "try 3 failed (left out since: 2 more like it)"
    assert records[5].getMessage() == "try 5 failed (left out since: 1 more like it)"


def test_only_so_many_lines_are_remembered() -> None:
    repeats = logs.Repeats(clock=lambda: 0.0)
    words = [chr(0x4E00 + n) for n in range(logs.MAX_LINES + 1)]
    assert all(repeats.filter(_record(w)) for w in words)
    assert not repeats.filter(_record(words[-1]))
    assert repeats.filter(_record(words[0]))
