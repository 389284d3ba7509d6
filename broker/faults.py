"""Fault hooks: what is called with the name of each step done, so that a test can crash the process there."""

from __future__ import annotations


def no_fault(_step: str) -> None:
    """The hook of production: nothing happens."""
