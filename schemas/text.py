"""Text that Parquet can store, which is UTF-8 only."""

from __future__ import annotations


def storable(text: str) -> str:
    """`text` with what UTF-8 cannot encode (undecodable bytes of a file name, half surrogates) as `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()
