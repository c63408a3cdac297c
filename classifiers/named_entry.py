"""Looking a name up in a registry, with the nearest one in the error."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

Entry = TypeVar("Entry")


def named_entry(entries: Mapping[str, Entry], name: str, kind: str) -> Entry:
    """What stands under `name`; `kind` says in the error what is named.

    Raises:
        ValueError: if the name is unknown; the message has the nearest one and all others.
    """
    if name not in entries:
        nearest = difflib.get_close_matches(name, entries, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise ValueError(f"{kind} {name!r} is unknown; {hint}known models: {', '.join(sorted(entries))}")
    return entries[name]
