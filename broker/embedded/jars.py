"""The jars of the embedded Kafka: fetched by coordinates through jgo, each verified against the committed lock.

`python -m broker.embedded.jars --relock` resolves `ROOTS` anew and writes the lock; do it to move to another Kafka.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tomllib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import platformdirs
import psutil

from schemas.errors import Fatal

if TYPE_CHECKING:
    from jgo.maven import MavenContext

LOCK: Final = Path(__file__).with_name("jgo.lock.toml")
KAFKA: Final = "org.apache.kafka:kafka_2.13:4.2.2"
ROOTS: Final = (KAFKA, "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4")
"""Kafka, and the bridge from its logging to the log4j that it brings along.

Not 4.3.0 to 4.4.0: while a killed broker starts again, they take a partition without a leader for a deleted one and end
a transaction without its markers (KAFKA-20734), so that read_committed readers and positions wait for ever.
"""
FETCHERS: Final = 6
FETCH_TIMEOUT_S: Final = 60

OnFetch: TypeAlias = Callable[[int, int], None]
"""Called with how many jars were fetched and how many there are to fetch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    """One locked artifact."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinates(self) -> str:
        """As Maven writes it."""
        return f"{self.group}:{self.artifact}:{self.version}"

    def path(self, cache: Path) -> Path:
        """Where it lies in a Maven repository folder."""
        return cache.joinpath(
            *self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar"
        )


def cache_folder() -> Path:
    """Folder that all stacks of this user share."""
    return platformdirs.user_cache_path("presscheck") / "maven"


def locked(lock: Path = LOCK) -> tuple[Jar, ...]:
    """Every jar of the lock, in class path order."""
    rows = cast("list[dict[str, Any]]", tomllib.loads(lock.read_text(encoding="utf-8"))["dependencies"])
    return tuple(
        Jar(group=r["groupId"], artifact=r["artifactId"], version=r["version"], sha256=r["sha256"]) for r in rows
    )


def missing(cache: Path, jars: tuple[Jar, ...]) -> tuple[Jar, ...]:
    """Jars that are not in the cache yet."""
    return tuple(j for j in jars if not j.path(cache).exists())


def sound(cache: Path, jar: Jar) -> bool:
    """Whether a jar lies in the cache and is what the lock says."""
    path = jar.path(cache)
    return path.exists() and _sha256(path) == jar.sha256


def verify(cache: Path, jars: tuple[Jar, ...]) -> None:
    """Hash every jar. Raises Fatal naming those that are not what the lock says."""
    wrong = [j for j in jars if not sound(cache, j)]
    if wrong:
        names = ", ".join(str(j.path(cache)) for j in wrong)
        raise Fatal(f"not the jars that {LOCK.name} promises: {names}; delete them and start again")


def class_path(
    cache: Path | None = None,
    on_fetch: OnFetch | None = None,
    *,
    jars: tuple[Jar, ...] | None = None,
    repositories: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Paths of the verified jars (default: those of the lock).

    Those that the cache lacks, or holds damaged, are fetched first, each put in its place once it is whole: what was
    fetched before an interruption stays. `on_fetch(done, total)` is told before the first and after each.
    `repositories` are Maven repositories by name (default: the central one).
    Raises Fatal where a jar cannot be had or is not what the lock says.
    """
    cache = cache or cache_folder()
    jars = locked() if jars is None else jars
    if wanted := tuple(j for j in jars if not sound(cache, j)):
        _fetch(cache, wanted, on_fetch or _unseen, repositories)
    return tuple(j.path(cache) for j in jars)


def _unseen(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _context(cache: Path, repositories: Mapping[str, str] | None = None) -> MavenContext:
    from jgo.maven import MavenContext

    cache.mkdir(parents=True, exist_ok=True)
    return MavenContext(
        repo_cache=cache, timeout=FETCH_TIMEOUT_S, remote_repos=dict(repositories) if repositories else None
    )


def _fetch(cache: Path, jars: tuple[Jar, ...], on_fetch: OnFetch, repositories: Mapping[str, str] | None) -> None:
    # Into a folder of this process first: another stack may fetch at the same time, and must never see half a jar.
    part = cache.with_name(f"{cache.name}.{os.getpid()}")
    _clear_left_behind(cache)
    context = _context(part, repositories)

    def one(jar: Jar) -> None:
        fetched = Path(context.create_dependency(jar.coordinates).artifact.resolve())
        if _sha256(fetched) != jar.sha256:
            raise Fatal(f"{jar.coordinates} was fetched and is not the jar that {LOCK.name} promises; try again later")
        target = jar.path(cache)
        target.parent.mkdir(parents=True, exist_ok=True)
        fetched.replace(target)

    try:
        on_fetch(0, len(jars))
        with ThreadPoolExecutor(FETCHERS) as pool:
            for done, _ in enumerate(pool.map(one, jars), 1):
                on_fetch(done, len(jars))
    except (OSError, RuntimeError) as e:
        raise Fatal(
            f"the jars of Kafka could not be fetched into {cache}: {e}; what was fetched stays, so try again"
        ) from e
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _clear_left_behind(cache: Path) -> None:
    """Remove the half-filled folders of processes that were killed while they fetched."""
    for folder in cache.parent.glob(f"{cache.name}.*"):
        pid = folder.name.rpartition(".")[2]
        if pid.isdecimal() and not _runs(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def relock(lock: Path = LOCK) -> int:
    """Resolve the roots with everything they need and write the lock; gives the number of jars."""
    context = _context(cache_folder())
    wanted: list[Any] = []
    for root in ROOTS:  # one by one: together, the second root's dependency management would change Kafka's versions
        inputs, others = context.resolver.resolve([context.create_dependency(root)])
        wanted += [*inputs, *(d for d in others if d.scope in {"compile", "runtime"})]
    lines = ["# Written by `python -m broker.embedded.jars --relock`: what the embedded Kafka runs from."]
    seen: set[tuple[str, str]] = set()
    for a in (d.artifact for d in wanted):
        if (a.groupId, a.artifactId) in seen:
            continue
        seen.add((a.groupId, a.artifactId))
        digest = hashlib.sha256(Path(a.resolve()).read_bytes()).hexdigest()
        lines += ["", "[[dependencies]]", f'groupId = "{a.groupId}"', f'artifactId = "{a.artifactId}"']
        lines += [f'version = "{a.version}"', 'packaging = "jar"', f'sha256 = "{digest}"']
    lock.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(seen)


if __name__ == "__main__":
    if sys.argv[1:] != ["--relock"]:
        sys.exit("say --relock to resolve and lock anew")
    sys.stdout.write(f"{relock()} jars locked\n")
