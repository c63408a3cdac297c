"""Files on this machine's disks, written whole or not at all, and listed in the order of their names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

TEMPORARY_SUFFIX = ".framemill-tmp"


def write_file(path: Path, data: bytes | memoryview) -> None:
    """Make `data` the content of `path`, in folders that are made where they are missing."""
    with _beside(path, data) as temporary:
        os.replace(temporary, path)


def create_file(path: Path, data: bytes | memoryview) -> bool:
    """Likewise for a file that is not there yet; False where it is."""
    with _beside(path, data) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            return _create_openly(path, data)
    return True


def sweep_temporaries(folder: Path) -> None:
    """Remove what writers that were killed have left in `folder`."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)


def walk_files(folder: str) -> Iterator[str]:
    """The paths of everything below `folder` that is no folder, in their order; links to folders are not entered.

    No more than the names of the folders on the way to a file are held. A folder that cannot be read raises `OSError`:
    its files would be missing without a word.
    """
    with os.scandir(folder) as entries:  # `a b` comes before what is in the folder `a`
        names = sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries)
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith("/"):
            yield from walk_files(path)
        else:
            yield path


def regular_file(path: str) -> os.stat_result | None:
    """What is known of a regular file, or of the one that a link leads to; None for all else and where nothing is."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None


@contextmanager
def _beside(target: Path, data: bytes | memoryview) -> Iterator[Path]:
    """A hidden file that holds `data`, on the disk of `target`; gone afterwards, unless it was moved."""
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


def _create_openly(path: Path, data: bytes | memoryview) -> bool:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True
