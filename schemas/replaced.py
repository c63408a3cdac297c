"""Shards and failure files that have taken the place of several others, by their names and metadata.

A file that replaces others is named after the last of them, and sorts right behind it: runs are named after the time at
which they started, so that the order of names stays that of the rows. Its metadata name those whose rows it has. Until
these are removed, readers that see both leave them out, and rows are read once.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping

from schemas import strict_json

REPLACED_KEY = "framemill.replaces"
_NAME = re.compile(r"(.*?)(?:_(\d+))?\.parquet", re.DOTALL)


def name_after(names: Collection[str], taken: Collection[str] = ()) -> str:
    """The name of the file that replaces those of these `names`; none of those that are `taken`."""
    found = _NAME.fullmatch(max(names))
    if found is None:
        raise ValueError(f"{max(names)!r} is no name of a Parquet file")
    number = int(found[2] or 0)
    while True:
        number += 1
        name = f"{found[1]}_{number:04d}.parquet"  # `_` comes after `.`
        if name not in taken:
            return name


def replaced_metadata(names: Iterable[str]) -> dict[str, str]:
    """The metadata of the file that replaces those of these names."""
    return {REPLACED_KEY: json.dumps(sorted(names))}


def replaced_by(uri: str, metadata: Mapping[bytes, bytes] | None) -> list[str]:
    """The URIs of the files that the one at `uri` has replaced. Raises `ValueError` for metadata that name none."""
    text = (metadata or {}).get(REPLACED_KEY.encode())
    if text is None:
        return []
    names = strict_json.parse(text)
    if not isinstance(names, list) or not all(isinstance(name, str) and "/" not in name for name in names):
        raise ValueError(f"{uri}: {REPLACED_KEY} is a list of names, not {text[:80].decode(errors='replace')}")
    return [posixpath.join(posixpath.dirname(uri), name) for name in names]
