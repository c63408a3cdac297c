"""A page as a browser reads it."""

import base64
import hashlib
import re
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "line", "rect", "path", "circle", "link", "input", "hr", "source"}
# Within the page, beside it, a file, the web, or a CSV file: nothing that runs.
HREF = re.compile(r"#[a-z0-9-]+$|\.{1,2}/|file:///|https?://|data:text/csv;base64,")


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif not (self.open and self.open[-1] == "style"):
            self.texts.append(data)

    @property
    def hrefs(self) -> list[str]:
        """What the links lead to, without those within the page and the CSV files."""
        found = [attributes.get("href") or "" for tag, attributes in self.tags if tag == "a"]
        return [href for href in found if not href.startswith(("#", "data:"))]

    @property
    def headings(self) -> list[str]:
        """The ids of the sections."""
        return [attributes["id"] or "" for tag, attributes in self.tags if tag == "h2"]

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join(" ".join(self.texts).split())


def assert_self_contained(html: str) -> Page:
    """Check that the page is complete, runs its own script only, and fetches nothing by itself. Returns the page."""
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert page.open == []
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "embed", "base", "form"}
    for tag, attributes in page.tags:
        assert not any(key.startswith("on") for key in attributes), (tag, attributes)
        for key in ("src", "xlink:href", "srcset", "action"):
            assert (attributes.get(key) or "data:").startswith("data:"), (tag, attributes)
        if "href" in attributes:
            assert tag == "a", attributes
            assert HREF.match(attributes["href"] or ""), attributes
    assert "url(" not in html
    assert "@import" not in html
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv"))
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    assert len(set(page.headings)) == len(page.headings)
    return page


def assert_accessible(page: Page) -> None:
    """Check that images and charts have descriptions or are hidden, and tables have captions and headers."""
    for tag, attributes in page.tags:
        if tag == "img" or (tag == "svg" and "viewbox" not in attributes):
            description = attributes.get("alt") or attributes.get("aria-label")
            assert description or attributes.get("aria-hidden") == "true", (tag, attributes)
        if tag == "th":
            assert attributes.get("scope") in ("row", "col", "rowgroup"), attributes
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags) > 0
