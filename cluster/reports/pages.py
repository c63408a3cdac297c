"""Pages: templates turned into self-contained HTML.

In: the name of a template beside this module, and what it names. Out: the text of one file: no script, no font, no
picture from elsewhere, and a content security policy that would not let any in. Ids, names, paths and messages come
from outside and are data: jinja2 escapes them, and what cannot be seen (control characters, lone surrogates, marks that
turn the direction of text) is spelt out.
"""

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from cluster.reports import numbers

LONGEST_CAPTION = 44  # characters below a picture, or of an id in a table
LONGEST_NAME = 60  # characters of a name; the whole of it goes where there is room, such as a title
# Explicit marks of direction: they could make an id read as another one.
_DIRECTION_MARKS = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)}


def render_page(template: str, content: Mapping[str, Any]) -> str:
    """Write the page of a template."""
    page = _environment().get_template(template).render(content)
    return page if page.endswith("\n") else page + "\n"


def settings_table(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values for the template's tables of settings, by name."""

    def told(value: Any) -> str:
        if value is None or value == "":
            return "–"
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return [(key, told(value)) for key, value in sorted(values.items())]


def cut(text: str) -> str:
    """Leave out the end of a long name."""
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def shorten(text: str) -> str:
    """Leave out the middle of a long id: videos of one folder differ at the end."""
    return text if len(text) <= LONGEST_CAPTION else f"{text[:12]}…{text[13 - LONGEST_CAPTION :]}"


def seen(value: Any) -> Any:
    """Spell out the characters of a text that have no shape of their own; what is markup already stays as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(_spelt(character) for character in value)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cluster.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": numbers.count_text,
        "rate": numbers.rate_text,
        "duration": numbers.duration_text,
        "size": numbers.size_text,
        "percent": numbers.percent_text,
        "figure": numbers.figure_text,
        "shorten": shorten,
    }
    return environment


def _spelt(character: str) -> str:
    if character in "\n\t":
        return character
    if unicodedata.category(character) in ("Cc", "Cs") or character in _DIRECTION_MARKS:
        return character.encode("unicode_escape").decode("ascii")
    return character
