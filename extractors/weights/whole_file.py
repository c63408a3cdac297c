"""Files of a cache that several processes, also of several machines, may share: each shows once it is whole.

A file is written under a temporary name that no other process has, and renamed. What a killed process left is removed
by the next that writes into the same folder, after a day.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

SUFFIX = ".part"
TEMPORARIES = (f".*{SUFFIX}", ".tmp??????")  # ours, and those that safetensors writes first
ABANDONED_SECONDS = 24 * 3600.0  # since its last byte


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` at the end, once it is on disk; none is left where that fails.

    Who may read it, the umask says: safetensors would close it to all others.
    """
    with temporary_beside(path) as part:
        part.touch()
        mode = part.stat().st_mode
        yield part
        part.chmod(mode)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A name in the folder of `path`, which is made, for a file that is removed at the end unless it was renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}{SUFFIX}")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _remove_abandoned(folder: Path) -> None:
    for part in chain.from_iterable(map(folder.glob, TEMPORARIES)):
        with suppress(OSError):  # another process may be as quick
            if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
                part.unlink()
