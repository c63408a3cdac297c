"""Text that others can take: Parquet, which is UTF-8 only, and readers of pages and logs, who are to see all of it.

It also says how many of a thing there are, as these readers would say it.
"""

from __future__ import annotations

import unicodedata

# Explicit direction marks, which could make an id read like another one.
_DIRECTION_MARKS = frozenset(
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
)
_INVISIBLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, lone surrogates, ends of lines and paragraphs


def storable(text: str) -> str:
    """`text` with what UTF-8 cannot encode (undecodable bytes of a file name, half surrogates) as `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()


def visible(text: str, kept: str = "\n\t") -> str:
    """`text` with its invisible characters (control characters, lone surrogates, direction marks) as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if one in kept else _escaped(one) for one in text)


def counted(number: int, noun: str) -> str:
    """So many of what a noun, which takes a regular plural, names: `1 video`, `1,234 videos`, `2 more classes`."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def _escaped(character: str) -> str:
    if unicodedata.category(character) in _INVISIBLE or character in _DIRECTION_MARKS:
        return character.encode("unicode_escape").decode("ascii")
    return character
