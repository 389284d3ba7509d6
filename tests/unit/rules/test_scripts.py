"""Letters that no reader knows, and those that are only strange to English."""

from __future__ import annotations

import pytest

from rules.scripts import foreign, unreadable


@pytest.mark.parametrize(
    ("text", "strange", "unknown"),
    [
        ("Große Eröffnung, Żółta Łódź, ﬁne Nº 5", "", ""),
        ("ＳＡＬＥ １２", "", ""),
        ("夏祭り コーヒーの朝 珈琲 450円 春季特卖 圖書館 々", "", ""),
        ("Вход 50 %", "Вход", "Вход"),
        ("ΝΕΑ", "ΝΕΑ", "ΝΕΑ"),
        ("한국", "한국", "한국"),
        ("شاي", "شاي", "شاي"),
        ("٣٤", "٣٤", "٣٤"),
        ("Trà ấm", "", "ấ"),
        ("丨 ゐ 㐀 ㇰ", "", "丨ゐ㐀ㇰ"),
        ("!? – “%”", "", ""),
    ],
)
def test_letters_that_no_reader_knows(text: str, strange: str, unknown: str):
    assert "".join(foreign(text)) == strange
    assert "".join(unreadable(text)) == unknown
