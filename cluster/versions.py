"""What a listing tells of a file, and how it is known that a file has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a listing. `version` changes when the bytes do; empty where nothing tells."""

    uri: str
    size_bytes: int
    version: str


def version_of(info: Mapping[str, Any]) -> str:
    """The version that a store's description of a file gives: an etag or a checksum, else size and time of change."""
    for key in ("etag", "ETag", "md5Hash", "crc32c", "generation"):
        if info.get(key):
            return f"{key.lower()}:{str(info[key]).strip(chr(34))}"
    changed = info.get("mtime") or info.get("Last-Modified")
    return f"{info.get('size') or 0}@{changed}" if changed else ""
