"""Shared pages are pinned: no code but their revocation deletes anything from the store, and no topic forgets them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.sharing.topic import MAX_PAGE_BYTES, Page, checked, find
from schemas import catalogue
from schemas.errors import BadConfig

ROOMS = ("audit", "broker", "ops", "rules", "schemas", "store", "streams", "workers")
ROOT = Path(__file__).parents[3]


def where(pattern: str) -> set[str]:
    files = (p for room in ROOMS for p in (ROOT / room).rglob("*.py"))
    return {p.relative_to(ROOT).as_posix() for p in files if re.search(pattern, p.read_text(encoding="utf-8"))}


def test_nothing_but_a_revocation_deletes_from_the_store():
    assert where(r"obstore\.delete|\.delete\(") == {"store/objects.py"}
    assert where(r"objects\.remove\(") == {"store/shares.py"}
    assert where(r"shares\.remove\(|from store\.shares import") == {"ops/sharing/topic.py"}


def test_the_record_of_a_share_is_kept_for_good():
    (row,) = (t for t in catalogue.catalogue() if t.name == catalogue.SHARES)
    assert (row.compacted, row.retention_hours, "audit" in row.read_by) == (True, -1, True)


@pytest.mark.parametrize("wrong", ["", "abc", "ABCDEF01", "../../etc", "0" * 65])
def test_what_is_no_id_of_a_share_is_refused(wrong: str):
    with pytest.raises(BadConfig, match="is no id of a share"):
        checked(wrong)
    with pytest.raises(BadConfig):
        find((), wrong)


def test_a_page_has_a_bound():
    with pytest.raises(BadConfig, match="at most"):
        Page(title="large", data=bytes(MAX_PAGE_BYTES + 1), job_ids=())
