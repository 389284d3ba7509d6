"""What a browser would find on a page: for tests of pages that must stand alone."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "main", "section", "article", "header", "footer", "h1", "h2",
    "h3", "p", "span", "b", "div", "figure", "figcaption", "img", "dl", "dt", "dd", "ul", "li", "table", "thead",
    "tbody", "tr", "th", "td", "svg", "rect", "line", "circle", "text",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "http-equiv", "class", "alt", "src", "width", "height", "scope", "viewbox",
    "preserveaspectratio", "role", "aria-label", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "text-anchor",
}  # fmt: skip
POLICY = re.compile(
    r"default-src 'none'; img-src data:; style-src 'sha256-([A-Za-z0-9+/=]+)'; base-uri 'none'; form-action 'none'"
)


class Page(HTMLParser):
    """Elements, attributes, pictures with their other text, and the policy of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.pictures: list[tuple[str, str]] = []
        self.policy = ""
        self.words = ""
        self.style = ""
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down an element."""
        given = {name: value or "" for name, value in attrs}
        self.elements.add(tag)
        self.attributes |= set(given)
        self._in_style = tag == "style"
        if tag == "img":
            self.pictures.append((given.get("src", ""), given.get("alt", "")))
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]

    def handle_endtag(self, tag: str) -> None:
        """Leave the style sheet."""
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        """Take down what is read."""
        if self._in_style:
            self.style += data
        else:
            self.words += data


def standing_alone(text: str) -> Page:
    """The page, once it is sure that it runs nothing, loads nothing, and that its policy lets its own style pass."""
    page = Page(text)
    assert page.elements <= ELEMENTS, page.elements - ELEMENTS
    assert page.attributes <= ATTRIBUTES, page.attributes - ATTRIBUTES
    assert all(src.startswith("data:image/") for src, _ in page.pictures), page.pictures
    assert all(alt.strip() for _, alt in page.pictures)
    match = POLICY.fullmatch(page.policy)
    assert match is not None, page.policy
    assert match[1] == base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert "url(" not in page.style
    assert "@import" not in page.style
    return page
