"""The bytes of a text file that people edit → its text: UTF-8, or UTF-16 or UTF-32 as programs on Windows write it.

`text_lines` reads a file of any size line by line, in the memory of one line.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

START_BYTES = 4  # that tell the encoding
MAX_LINE_CHARACTERS = 1 << 22
BUFFER_BYTES = 1 << 16
TOO_MANY = "a file of its size has no more that differ; write it without compression if they do"
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decoded(content: bytes) -> str:
    """The text of a file. Raises `ValueError` with the line of the first byte that is none."""
    encoding = _encoding(content[:START_BYTES])
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _mistake(error, encoding, 0) from error


def text_lines(stream: io.RawIOBase | io.BytesIO, *, newline: str, most: int) -> Iterator[str]:
    """The lines of a file, each with its end; `newline` says where they end, as for `open`.

    Raises:
        ValueError: with the number of the line, for a byte that is no text, a line of more than `MAX_LINE_CHARACTERS`,
            and more than `most` lines.
    """
    file = io.BufferedReader(stream, BUFFER_BYTES)
    encoding = _encoding(file.peek(START_BYTES)[:START_BYTES])
    with io.TextIOWrapper(file, encoding, newline=newline) as text:
        count = 0
        while True:
            try:
                line = text.readline(MAX_LINE_CHARACTERS + 1)
            except UnicodeDecodeError as error:
                raise _mistake(error, encoding, count) from error
            if not line:
                return
            count += 1
            if len(line) > MAX_LINE_CHARACTERS:
                raise ValueError(f"line {count} has more than {MAX_LINE_CHARACTERS:,} characters")
            if count > most:
                raise ValueError(f"it has more than {most:,} lines: {TOO_MANY}")
            yield line


def _encoding(start: bytes) -> str:
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if start.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in start[:2] and len(start) > 1:  # a manifest begins with a plain character
        return "utf-16-le" if start[0] else "utf-16-be"
    return encoding


def _mistake(error: UnicodeDecodeError, encoding: str, lines_before: int) -> ValueError:
    if not encoding.startswith("utf-8"):
        return ValueError(f"it is cut short, or no {encoding.upper()}: {error.reason}")
    line = lines_before + error.object.count(b"\n", 0, error.start) + 1
    return ValueError(
        f"line {line}: byte {error.object[error.start]:#x} is no UTF-8: save the file as UTF-8 (Excel: CSV UTF-8), "
        "or convert it: iconv -f WINDOWS-1252 -t UTF-8"
    )
