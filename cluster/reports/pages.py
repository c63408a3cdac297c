"""Rendering of templates to self-contained HTML pages.

In: the name of a template in `templates/`, and its variables. Out: the text of one file without external resources. Its
content security policy blocks them, and every script but the page's own one (`templates/page.js`), whose hash it names;
without scripts, tables can be neither sorted nor filtered, and nothing else is missing. Ids, names, paths and messages
are untrusted: jinja2 escapes them, and invisible characters (control characters, lone surrogates, direction marks) are
written as escapes.
"""

import base64
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from functools import partial
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from cluster.reports import numbers
from cluster.reports.context import PageContext
from cluster.reports.links import page_href, video_href
from extractors.video.thumbnail import Thumbnail
from schemas.text import counted, visible

MAX_ID_CHARACTERS = 44  # below a picture or in a table
MAX_NAME_CHARACTERS = 60  # the full name goes into a title attribute
_HEADING = Markup('<h2 id="{}">{}</h2>')


class Contents:
    """The table of contents of a page: its sections, in their order, by title and id."""

    def __init__(self) -> None:
        self.sections: list[tuple[str, str]] = []

    def heading(self, title: str) -> Markup:
        """Begin a section. Titles are unique on a page."""
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        assert name not in dict(self.sections).values(), title
        self.sections.append((title, name))
        return _HEADING.format(name, title)


def render_page(template: str, variables: Mapping[str, Any], context: PageContext) -> str:
    """The page that a template gives with these variables."""
    environment, contents = _environment(), Contents()
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= {
        "video_href": partial(video_href, page=context.uri),
        "links": [(one.title, href) for one in context.pages if (href := page_href(one.uri, context.uri))],
        "heading": contents.heading,
        "sections": contents.sections,
        "script": Markup(script),  # noqa: S704  our own file
        "script_hash": f"sha256-{digest}",
    }
    page = environment.get_template(template).render(variables)
    return page if page.endswith("\n") else page + "\n"


def settings_table(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of name and value, sorted by name, for the templates' tables of settings."""
    return [(name, _value_text(value)) for name, value in sorted(values.items())]


def changed_options(configuration: Mapping[str, Any], unchanged: Collection[str] | None) -> list[tuple[str, str]]:
    """Rows for the options that have another value than their default; none where that is unknown."""
    if unchanged is None:
        return []
    return settings_table({name: value for name, value in configuration.items() if name not in unchanged})


def jpeg_text(picture: Thumbnail | None) -> str:
    """A picture for a `data:` URI; empty for none."""
    return base64_text(None if picture is None else picture.jpeg)


def base64_text(content: bytes | None) -> str:
    """The content of a file for a `data:` URI; empty for none."""
    return base64.b64encode(content or b"").decode()


def truncate(text: str) -> str:
    """Cut off the end of a long name."""
    return text if len(text) <= MAX_NAME_CHARACTERS else f"{text[: MAX_NAME_CHARACTERS - 1]}…"


def shorten(text: str) -> str:
    """Cut out the middle of a long id: ids of one folder differ at the end."""
    return text if len(text) <= MAX_ID_CHARACTERS else f"{text[:12]}…{text[13 - MAX_ID_CHARACTERS :]}"


def escape_invisible(value: Any) -> Any:
    """Write the invisible characters of a text as escapes; markup and other types stay as they are."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return visible(value)


def _script() -> str:
    return resources.files("cluster.reports").joinpath("templates", "page.js").read_text("utf-8")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cluster.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=escape_invisible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": numbers.count_text,
        "counted": counted,
        "rate": numbers.rate_text,
        "duration": numbers.duration_text,
        "size": numbers.size_text,
        "percent": numbers.percent_text,
        "figure": numbers.figure_text,
        "shorten": shorten,
    }
    return environment


def _value_text(value: Any) -> str:
    if value is None or value == "":
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
