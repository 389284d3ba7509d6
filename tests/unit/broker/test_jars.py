from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from broker.embedded import jars
from broker.embedded.jars import Jar
from schemas.errors import Fatal


def jar(cache: Path, content: bytes, digest: str) -> Jar:
    made = Jar(group="org.example", artifact="tool", version="1.2", sha256=digest)
    path = made.path(cache)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return made


def test_the_lock_holds_kafka_4_3_hashed_and_no_address() -> None:
    locked = jars.locked()
    assert locked[0].coordinates == jars.KAFKA
    assert all(len(j.sha256) == 64 for j in locked)
    assert len({(j.group, j.artifact) for j in locked}) == len(locked)
    assert "://" not in jars.LOCK.read_text(encoding="utf-8")


def test_a_jar_as_locked_passes(tmp_path: Path) -> None:
    jars.verify(tmp_path, (jar(tmp_path, b"good", hashlib.sha256(b"good").hexdigest()),))


def test_a_changed_jar_is_named(tmp_path: Path) -> None:
    changed = jar(tmp_path, b"bad", hashlib.sha256(b"good").hexdigest())
    with pytest.raises(Fatal, match=r"tool-1\.2\.jar; delete them"):
        jars.verify(tmp_path, (changed,))


def test_a_missing_jar_is_missing(tmp_path: Path) -> None:
    wanted = Jar(group="org.example", artifact="tool", version="1.2", sha256="0" * 64)
    assert jars.missing(tmp_path, (wanted,)) == (wanted,)
