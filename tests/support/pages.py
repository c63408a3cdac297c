"""A page as a browser reads it."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "line", "rect", "path", "circle", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
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
        if not (self.open and self.open[-1] == "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join(" ".join(self.texts).split())


def assert_self_contained(html: str) -> Page:
    """Check that the page is complete, has no script, and makes a browser fetch nothing. Returns the page."""
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert page.open == []
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for tag, attributes in page.tags:
        assert not any(key.startswith("on") for key in attributes), (tag, attributes)
        for key in ("src", "href", "xlink:href", "srcset", "action"):
            assert (attributes.get(key) or "data:").startswith("data:"), (tag, attributes)
    assert "url(" not in html
    assert "@import" not in html
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
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
