"""Runs the tests layer by layer, the quick ones first, and says at the end what each layer took."""

from __future__ import annotations

import signal
from collections import Counter, defaultdict
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parent
LAYERS = ("unit", "property", "gates", "contract", "docs", "integration", "browser", "chaos")
OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed")

# A busy machine is no finding: how long something may take is said by tests that measure it.
hypothesis.settings.register_profile("presscheck", deadline=None, print_blob=True)
hypothesis.settings.load_profile("presscheck")


def pytest_configure() -> None:
    """Hear Ctrl-C, whoever started the run: a shell's background job ignores it, and hands that on to every process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def layer_of(path: str) -> str:
    """The folder in tests/ that a test lies in."""
    parts = Path(path).parts
    return parts[1] if len(parts) > 2 and parts[0] == "tests" else "other"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the layers in order, and keep the order within each."""
    order = {name: n for n, name in enumerate(LAYERS)}
    items.sort(key=lambda item: order.get(layer_of(item.nodeid.partition("::")[0]), len(LAYERS)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each layer: what came out, and the seconds it took."""
    counts = {name: Counter[str]() for name in (*LAYERS, "other")}
    seconds = defaultdict[str, float](float)
    for outcome in OUTCOMES:
        for report in terminalreporter.getreports(outcome):
            layer = layer_of(str(report.nodeid).partition("::")[0])
            counts[layer][outcome] += 1
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[layer_of(report.nodeid.partition("::")[0])] += report.duration
    terminalreporter.section("layers")
    for layer, found in counts.items():
        if found:
            said = ", ".join(f"{n} {outcome}" for outcome, n in found.items())
            terminalreporter.write_line(f"{layer:<12} {said:<40} {seconds[layer]:7.1f} s")
