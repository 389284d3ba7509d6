"""The jar cache against a Maven repository on loopback: filled, mended, taken up again, and never left half full."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from broker.embedded import jars
from broker.embedded.jars import Jar
from schemas.errors import Fatal


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and keeps what was asked for to itself."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base names it so
        del format, args


class Repository:
    """Three small jars, served."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.urls = folder, {"loopback": f"http://127.0.0.1:{port}"}
        self.jars = tuple(self._jar(f"tool-{n}", f"content {n}".encode() * 1000) for n in range(3))

    def _jar(self, artifact: str, content: bytes) -> Jar:
        made = Jar(group="org.example", artifact=artifact, version="1.2", sha256=hashlib.sha256(content).hexdigest())
        path = made.path(self.folder)
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        path.with_name(f"{path.name}.sha1").write_text(hashlib.sha1(content).hexdigest(), encoding="ascii")
        return made

    def serves(self, jar: Jar, content: bytes) -> None:
        """Serve other bytes under a jar's name, with a checksum that fits them."""
        path = jar.path(self.folder)
        path.write_bytes(content)
        path.with_name(f"{path.name}.sha1").write_text(hashlib.sha1(content).hexdigest(), encoding="ascii")


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = tmp_path / "repository"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Repository(folder, server.server_port)
        server.shutdown()
        thread.join()


def class_path(cache: Path, repository: Repository) -> list[tuple[int, int]]:
    """The progress that was told; the class path itself must be whole."""
    told: list[tuple[int, int]] = []
    paths = jars.class_path(
        cache, lambda done, total: told.append((done, total)), jars=repository.jars, repositories=repository.urls
    )
    assert paths == tuple(j.path(cache) for j in repository.jars)
    jars.verify(cache, repository.jars)
    assert [p.name for p in cache.parent.glob("maven*")] == ["maven"], "nothing half-fetched is left"
    return told


def test_an_empty_cache_is_filled_once_and_progress_is_told(tmp_path: Path, repository: Repository):
    cache = tmp_path / "cache" / "maven"
    assert class_path(cache, repository) == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert class_path(cache, repository) == []


@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_a_damaged_jar_is_found_and_fetched_again(tmp_path: Path, repository: Repository, damage: str):
    cache = tmp_path / "cache" / "maven"
    class_path(cache, repository)
    path = repository.jars[1].path(cache)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:500] if damage == "cut" else b"")
    assert class_path(cache, repository) == [(0, 1), (1, 1)]


def test_a_jar_that_is_not_the_locked_one_never_reaches_the_cache_and_the_others_stay(
    tmp_path: Path, repository: Repository
):
    cache = tmp_path / "cache" / "maven"
    right = repository.jars[2].path(repository.folder).read_bytes()
    repository.serves(repository.jars[2], b"another")
    with pytest.raises(Fatal, match=r"org\.example:tool-2:1\.2 was fetched and is not the jar"):
        class_path(cache, repository)
    assert [j.path(cache).exists() for j in repository.jars] == [True, True, False]
    assert [p.name for p in cache.parent.iterdir()] == ["maven"]
    repository.serves(repository.jars[2], right)
    assert class_path(cache, repository) == [(0, 1), (1, 1)]


def test_without_the_repository_it_says_what_to_do(tmp_path: Path, repository: Repository):
    cache = tmp_path / "cache" / "maven"
    repository.jars[0].path(repository.folder).unlink()
    with pytest.raises(Fatal, match=r"could not be fetched into .*; what was fetched stays, so try again"):
        class_path(cache, repository)


def test_what_a_killed_process_left_is_cleared(tmp_path: Path, repository: Repository):
    cache = tmp_path / "cache" / "maven"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet waited for: a zombie
    left = cache.with_name(f"maven.{gone.pid}") / "org"
    left.mkdir(parents=True)
    (left / "half.jar").write_bytes(b"half")
    class_path(cache, repository)
    gone.wait()
