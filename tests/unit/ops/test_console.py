"""What people are shown is what is there: brackets of a client's words are no markup."""

from __future__ import annotations

import pytest

from ops.console import print_table


def test_brackets_in_a_table_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("read", ">count"), [("[/b] SALE [red]", 3), (None, 4)], title="jobs [of today]")
    shown = capsys.readouterr().out
    assert "[/b] SALE [red]" in shown
    assert "jobs [of today]" in shown
