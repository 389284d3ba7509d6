"""Logging: structlog for every line, ours and the libraries'; JSON where no person watches."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import structlog
from structlog.contextvars import bound_contextvars
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

from broker.settings import Settings

NOISY: Final = {
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "aiokafka": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpcore": logging.WARNING,  # at debug it writes down request headers, and the keys in them
    "httpx": logging.WARNING,
    "RapidOCR": logging.WARNING,
}
"""Libraries that tell a story on every start; their warnings are still heard."""
CHATTY: Final = ("aiokafka", "librdkafka")
"""Libraries that repeat themselves many times a second while a broker is away."""
REPEAT_S: Final = 10.0
"""How often a line that repeats itself is let through."""
MAX_LINES: Final = 256
"""Different lines remembered; beyond that the one that was let through longest ago is forgotten."""


class Repeats(logging.Filter):
    """Lets a line of the chatty libraries through once in `every_s` seconds, and adds how often it was left out.

    Lines are the same where level and words are, whatever numbers stand in them: those count milliseconds, requests
    and tries. `clock` gives seconds.
    """

    def __init__(self, *, every_s: float = REPEAT_S, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s, self._clock = every_s, clock
        self._guard = threading.Lock()
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line goes out."""
        if record.name.split(".", 1)[0] not in CHATTY:
            return True
        words = record.getMessage()
        key = (record.name, record.levelno, "".join(c for c in words if not c.isdigit()))
        now = self._clock()
        with self._guard:
            at, left_out = self._seen.get(key, (-self._every_s, 0))
            if now - at < self._every_s:
                self._seen[key] = (at, left_out + 1)
                return False
            self._seen.pop(key, None)
            self._seen[key] = (now, 0)  # at the end: the oldest comes first
            while len(self._seen) > MAX_LINES:
                del self._seen[next(iter(self._seen))]
        if left_out:
            record.msg, record.args = f"{words} (left out since: {left_out} more like it)", None
        return True


def set_up(settings: Settings, *, process: str) -> None:
    """Route structlog and the standard library's logging to standard error; `process` is put on every line.

    Call it once, in a process's main. JSON lines where `log_json` says so, or where it is unset and standard error
    is no terminal.
    """
    as_json = not sys.stderr.isatty() if settings.log_json is None else settings.log_json
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    last: list[Processor] = (
        [_traceback(), structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeats())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in NOISY.items():
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(level, least))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(process=process)


def _traceback() -> Processor:
    """Tracebacks without local variables: those hold passwords, prompts and whole batches."""
    return structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))


@contextmanager
def about_job(job_id: str) -> Generator[None, None, None]:
    """Put `job_id` on every line that is logged inside, whoever logs it."""
    with bound_contextvars(job_id=job_id):
        yield
