"""The bytes of a text file that people edit → its text: UTF-8, or UTF-16 or UTF-32 as programs on Windows write it."""

from __future__ import annotations

import codecs

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decoded(content: bytes) -> str:
    """The text of a file. Raises `ValueError` with the line of the first byte that is none."""
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in content[:2] and len(content) > 1:  # a manifest begins with a plain character
        encoding = "utf-16-le" if content[0] else "utf-16-be"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if not encoding.startswith("utf-8"):
            raise ValueError(f"it is cut short, or no {encoding.upper()}: {error.reason}") from error
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line}: byte {error.object[error.start]:#x} is no UTF-8: save the file as UTF-8 (Excel: CSV UTF-8), "
            "or convert it: iconv -f WINDOWS-1252 -t UTF-8"
        ) from error
