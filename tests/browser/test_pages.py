"""Pages that stand alone, in a real browser: nothing leaves it, nothing is complained of, and what matters is seen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from audit.windows import Group, Hands, Operation, Part, StageTime, Window
from ops.reports import html as report_html
from ops.reports.window import Side
from ops.sharing import page as share_page
from tests.stories import START_MS
from tests.unit.ops.test_share_page import MODES, XSS, a_picture

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
ColorScheme: TypeAlias = Literal["light", "dark"]
DAY_MS = 86_400_000
PHONE, DESK = 390, 1280

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here"),
]


@dataclass
class Seen:
    """What a browser asked for and complained of while it showed a page."""

    page: Page
    fetched: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])

    def words(self) -> str:
        return self.page.inner_text("body")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def show(browser: Browser, folder: Path, html: str, *, width: int = DESK, scheme: ColorScheme = "light") -> Seen:
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    seen = Seen(page)
    page.on("request", lambda r: seen.fetched.append(r.url) if not r.url.startswith("data:") else None)
    page.on("console", lambda m: seen.complaints.append(m.text))
    page.on("pageerror", lambda e: seen.complaints.append(str(e)))
    page.on("dialog", lambda d: seen.complaints.append(d.message))
    page.goto(path.as_uri(), wait_until="load", timeout=20_000)
    return seen


def alone(seen: Seen) -> Page:
    """The page, once it is sure that it asked for nothing but itself, that nothing was refused, and that it fits."""
    assert (seen.fetched, seen.complaints) == ([seen.page.url], [])
    assert seen.page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    # The style sheet passed the page's own policy.
    assert seen.page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "1320px"
    return seen.page


def a_side(damaged: int, *, of: int = 40) -> Side:
    def group(kind: str, name: str) -> Group:
        return Group(
            kind=kind, name=name, attempts=of + 2, rendered=of, failed=2, damaged=damaged, accepted=of - damaged,
            text_score=0.97, engine_ms=90_000, gpu_ms=0, gpu_images=0, cost_usd=1.2, touch_minutes=0,
            reviews=0,
        )  # fmt: skip

    return Side(
        window=Window(from_ms=START_MS, to_ms=START_MS + 7 * DAY_MS),
        groups=tuple(
            group(k, n)
            for k, n in (
                ("all", ""),
                ("engine", "sd3.5-large"),
                ("lane", "critical"),
                ("tag", XSS),
                ("ruleset", "ab" * 32),
            )
        ),
        stages=(
            StageTime(kind="all", name="", stage="whole", records=of, p50_ms=1_500, p95_ms=9_250),
            StageTime(kind="lane", name="critical", stage="whole", records=of, p50_ms=1_250, p95_ms=8_750),
        ),
        course=tuple(Part(part=n, rendered=of // 4, damaged=damaged // 4) for n in (0, 1, 2, 20)),
        hands=Hands(touch_ups=2, touch_minutes=30, reviews=1, recalls=0),
        operations=(
            Operation(at_ms=START_MS + DAY_MS, kind="hold", subject=XSS, step="holds tag text", who="ann", why=XSS),
        ),
        review_minutes=6,
    )


def test_a_page_that_loads_something_or_complains_is_caught(browser: Browser, tmp_path: Path):
    seen = show(browser, tmp_path, "<title>x</title><img src='gone.png'><script>console.error('no')</script>")
    with pytest.raises(AssertionError):
        alone(seen)
    assert any(url.endswith("gone.png") for url in seen.fetched)
    assert "no" in seen.complaints


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_shared_picture(browser: Browser, tmp_path: Path, width: int):
    picture = a_picture(prompt=f'A poster that says "OPEN LATE" {XSS}')
    seen = show(browser, tmp_path, share_page.html(picture, MODES, title=XSS), width=width)
    page = alone(seen)
    words = seen.words()
    for fact in (
        XSS,
        "OPEN LATE",
        picture.request.engine,
        picture.rendering.model_digest,
        "Content credentials".upper(),
    ):
        assert fact in words
    assert page.title() == XSS
    box = page.locator("img").bounding_box()
    assert box is not None
    assert 0 < box["width"] <= width
    assert page.locator("script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_report(browser: Browser, tmp_path: Path, width: int, scheme: ColorScheme):
    seen = show(browser, tmp_path, report_html.page(a_side(8), a_side(16)), width=width, scheme=scheme)
    page = alone(seen)
    words = seen.words()
    for fact in (
        *("20.0%", "10.5% to 34.8%", "40.0%", "1.50 / 9.25 s", "sd3.5-large", "holds tag text", "Before"),
        *("critical", XSS, "ab" * 6, "Seconds by stage, p50 / p95", "1.25 / 8.75"),
    ):
        assert fact in words
    plots = page.locator("svg.plot")
    assert plots.count() == 2
    assert page.locator("svg.plot circle.now").count() == 4 + 3
    ink = page.evaluate("getComputedStyle(document.querySelector('svg.plot text.ink')).fill")
    back = page.evaluate("getComputedStyle(document.querySelector('.panel')).backgroundColor")
    assert (ink, back) == (
        ("rgb(29, 27, 24)", "rgb(255, 255, 255)") if scheme == "light" else ("rgb(241, 237, 228)", "rgb(33, 31, 28)")
    )


def test_a_report_of_nothing(browser: Browser, tmp_path: Path):
    window = Window(from_ms=START_MS, to_ms=START_MS + DAY_MS)
    hands = Hands(touch_ups=0, touch_minutes=0, reviews=0, recalls=0)
    nothing = Side(window=window, groups=(), stages=(), course=(), hands=hands, operations=(), review_minutes=0)
    seen = show(browser, tmp_path, report_html.page(nothing, None))
    page = alone(seen)
    assert "Nothing was rendered in this window." in seen.words()
    assert page.locator("svg").count() == 0
