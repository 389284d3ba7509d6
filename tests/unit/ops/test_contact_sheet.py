"""The contact sheet shows every card, survives bytes that do not decode, and escapes what people wrote."""

from __future__ import annotations

import io

from PIL import Image

from ops.contact_sheet import HEAD_H, PICTURE_H, TILE_W, Card, Table, html, png


def picture(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), colour).save(out, "PNG")
    return out.getvalue()


CARDS = [
    Card(status="accepted", prompt="a red tent", meta="typeset", reasons=("text is exact",), data=picture("#ff0000")),
    Card(status="rejected", prompt="a <b>poster</b>", meta="flash", reasons=("corrupt bytes",), data=b"\x89PNG broken"),
    Card(status="refused", prompt="  ", meta="", reasons=("the prompt is empty",), data=None),
]


def test_html_holds_each_card_with_its_reason_and_escapes_prompts() -> None:
    page = html(CARDS, title="Autumn", subtitle="64 prompts", table=Table(head=("", "plain"), rows=(("rate", "30 %"),)))
    for reason in ("text is exact", "corrupt bytes", "the prompt is empty"):
        assert reason in page
    assert "a &lt;b&gt;poster&lt;/b&gt;" in page
    assert "<b>poster" not in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert "these bytes do not decode" in page
    assert "nothing was rendered" in page
    assert "30 %" in page


def test_html_refers_to_nothing_outside_itself() -> None:
    page = html(CARDS, title="Autumn", subtitle="", table=None)
    assert "http" not in page


def test_png_puts_accepted_first_and_shows_the_picture() -> None:
    with Image.open(io.BytesIO(png(CARDS[::-1], title="Autumn", subtitle="", columns=3))) as sheet:
        sheet.load()
        assert sheet.getpixel((16 + TILE_W // 2, HEAD_H + PICTURE_H // 2)) == (255, 0, 0)
