"""Folders that are hard to list, and what is in folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "x" * 250
MAX_PATH = 4096  # of a system call, in bytes


@contextmanager
def unreadable_folder(parent: Path) -> Iterator[Path]:
    """The first of some nested folders that nobody can read, not even root: its path is too long for a system call."""
    depth = (MAX_PATH - len(str(parent))) // (len(NAME) + 1) + 1
    here = os.open(parent, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(NAME, dir_fd=here)
        inner = os.open(NAME, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    try:
        yield parent.joinpath(*[NAME] * depth)
    finally:
        shutil.rmtree(parent / NAME)


def touch(folder: Path, *names: str) -> Path:
    """Files with one byte in `folder`, and the folders that they need."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def contents(root: Path) -> dict[Path, tuple[int, bytes]]:
    """Everything below a folder, and when it was written."""
    paths = (path for path in root.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}
