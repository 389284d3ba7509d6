"""The command that a replay's plan shows means to a shell what it says."""

from __future__ import annotations

import subprocess

import pytest

from ops.replay.bounds import shell_word


@pytest.mark.parametrize(
    "word", ["tag='layout' and lane='critical'", "it's 5 $ `x` \\ !", "'\"", "plain", "", "two words"]
)
def test_a_word_reaches_the_program_as_it_is(word: str) -> None:
    said = subprocess.run(["bash", "-c", f"printf %s {shell_word(word)}"], capture_output=True, check=True, text=True)
    assert said.stdout == word


def test_single_quotes_alone_stand_in_double_ones() -> None:
    assert shell_word("tag='layout'") == "\"tag='layout'\""
