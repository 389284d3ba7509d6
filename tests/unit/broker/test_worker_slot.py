"""Slots: one living holder each, free again when the holder is gone, apart for each folder."""

from __future__ import annotations

from pathlib import Path

from broker.worker_slot import transactional_id


def test_two_holders_have_two_ids_and_a_freed_one_is_taken_again(tmp_path: Path) -> None:
    with transactional_id(tmp_path, "render") as first:
        with transactional_id(tmp_path, "render") as second:
            assert first != second
        with transactional_id(tmp_path, "render") as third:
            assert third == second
    with transactional_id(tmp_path, "render") as again:
        assert again == first


def test_stages_and_folders_are_apart(tmp_path: Path) -> None:
    with transactional_id(tmp_path / "a", "render") as one, transactional_id(tmp_path / "b", "render") as two:
        assert one != two
    with transactional_id(tmp_path, "render") as one, transactional_id(tmp_path, "inspect") as two:
        assert one != two
