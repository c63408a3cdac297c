"""A cell of labels in a manifest → class indices and names.

In: a list, a number, or text: labels separated by semicolons, or a list as JSON (`["a", "b"]`) or Python (`['a', 'b']`)
writes it. Text is taken apart and never run as code. Out: integers and names, in the order given.
"""

from __future__ import annotations

import re
from reprlib import Repr
from typing import Any

from schemas import strict_json
from schemas.numerals import whole_number_of
from schemas.text import storable

MAX_CLASS_INDEX = 2**31 - 1  # shards hold int32
MAX_CHARACTERS = 1 << 17  # of a cell; what is longer is no name
SEPARATOR, QUOTES, CLOSING = ";", ("'", '"'), ("]", ")", "}")
# An item of a Python list, and what comes after it.
ITEM = re.compile(r"""\s*(?:'([^'\\]*)'|"([^"\\]*)"|(\d+))\s*(?:,|\Z)""")
_shortened = Repr()
_shortened.maxstring = _shortened.maxother = _shortened.maxlong = 80


def labels_of(value: Any) -> tuple[int | str, ...]:
    """The labels of a cell. Raises `ValueError` for what is none."""
    if value is None or value == "":
        return ()
    items = _items(value) if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    return tuple(_label(item) for item in items if str(item).strip())


def checked_text(text: str, column: str) -> str:
    """`text`, if it can be stored. Raises `ValueError` otherwise, naming the `column`."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"{column} is longer than {MAX_CHARACTERS} characters: {shown(text)}")
    if storable(text) != text:
        raise ValueError(f"{column} {shown(text)} holds half of a surrogate pair, which is no text")
    return text


def shown(value: Any) -> str:
    """A value as it stands in messages, however long it is."""
    return _shortened.repr(value)


def _items(cell: str) -> list[Any]:
    if not is_printed(cell):
        return cell.split(SEPARATOR)
    text = checked_text(cell.strip(), "labels")
    if text.startswith("["):
        try:
            parsed = strict_json.parse(text)
        except ValueError:
            parsed = _python_items(text[1:-1])
        if isinstance(parsed, list):
            return parsed
    raise ValueError(
        f"labels {shown(text)} are a list that cannot be read: separate them by {SEPARATOR!r}, or write JSON"
    )


def is_printed(text: str) -> bool:
    """Whether it is a list, tuple, set or array as Python prints it, and not a name in brackets such as `[music]`."""
    text = text.strip()
    if not text.endswith(CLOSING):
        return False
    inner = text.removeprefix("array")[1:-1].strip()
    if text.startswith("[") and text[-1] == "]":
        return not inner or inner[0] in (*QUOTES, "[") or "," in inner or re.fullmatch(r"[\d\s.]+", inner) is not None
    return text.startswith(("(", "{", "array(")) and inner.startswith((*QUOTES, "["))


def _python_items(text: str) -> list[str] | None:
    """The items between the brackets of a Python list of strings and whole numbers; None for any other list."""
    items: list[str] = []
    text = text.strip()
    place = 0
    while place < len(text):
        match = ITEM.match(text, place)
        if match is None:
            return None
        items += [found for found in match.groups() if found is not None]
        place = match.end()
    return items


def _label(item: Any) -> int | str:
    if isinstance(item, bool) or not isinstance(item, int | str):
        raise ValueError(f"a label is a class index or a name, not {shown(item)}")
    text = str(item).strip()
    if isinstance(item, str) and not text.isdecimal():
        return checked_text(text, "label")
    try:
        index = whole_number_of(text)
    except ValueError:
        index = -1
    if not 0 <= index <= MAX_CLASS_INDEX:
        raise ValueError(f"a class index is between 0 and {MAX_CLASS_INDEX}, not {shown(item)}")
    return index
