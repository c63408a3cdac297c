"""Text as Parquet can hold it, which is UTF-8 alone."""

from __future__ import annotations


def storable(text: str) -> str:
    """`text` with what UTF-8 lacks (bytes of a file name that are no text, half surrogates) written as `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()
