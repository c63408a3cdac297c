"""Files on local disks: written atomically, listed in the order of their names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

TEMPORARY_SUFFIX = ".framemill-tmp"


def write_file(path: Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` atomically; missing parent folders are created."""
    with _temporary_beside(path, data) as temporary:
        os.replace(temporary, path)


def create_file(path: Path, data: bytes | memoryview) -> bool:
    """Write `data` to a new file at `path` atomically; False where one exists."""
    with _temporary_beside(path, data) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            return _create_in_place(path, data)
    return True


def sweep_temporaries(folder: Path) -> None:
    """Remove the temporary files of killed writers in `folder`."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)


def walk_files(folder: str) -> Iterator[str]:
    """The paths of all files below `folder`, in order; links to folders are not followed.

    Memory holds the names in the folders on the way to the current file. A folder that cannot be read raises `OSError`:
    skipping it would lose its files silently.
    """
    with os.scandir(folder) as entries:  # `a b` sorts before the files in folder `a`
        names = sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries)
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith("/"):
            yield from walk_files(path)
        else:
            yield path


def regular_file(path: str) -> os.stat_result | None:
    """The status of a regular file, or of the one that a link points to; None for anything else."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None


@contextmanager
def _temporary_beside(target: Path, data: bytes | memoryview) -> Iterator[Path]:
    """A hidden file that holds `data`, in the folder of `target`; removed afterwards unless it was moved."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{uuid4().hex}{TEMPORARY_SUFFIX}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _create_in_place(path: Path, data: bytes | memoryview) -> bool:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True
