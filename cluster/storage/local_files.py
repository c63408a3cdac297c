"""Files on local disks: written atomically, listed in the order of their names."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from uuid import uuid4

TEMPORARY_SUFFIX = ".framemill-tmp"


def write_file(path: Path, data: bytes | memoryview, within: AbstractContextManager[None] | None = None) -> None:
    """Write `data` to `path` atomically; missing parent folders are created.

    `within` is entered once everything but the last step is done: the file appears while it lasts.
    """
    with _temporary_beside(path, data) as temporary, within or nullcontext():
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


def walk_files(
    folder: str,
    enters: Callable[[str], bool] = lambda name: True,
    follows: Callable[[str], bool] = lambda name: True,
    unread: list[str] | None = None,
) -> Iterator[str]:
    """The paths of all files below `folder`, in order, and after them those behind links to folders.

    A folder that a link leads to is walked unless it has been walked already, so that circles end and no file comes
    twice; links to files count as files, whether these are there or not. Memory holds the names in the folders on the
    way to the current file, and two numbers for each folder.

    enters   whether to enter the folder with this path below `folder`
    follows  likewise, whether to follow the link to a folder or file
    unread   takes the paths of folders that cannot be read; without it, and for `folder` itself, they raise `OSError`:
             skipping them would lose their files silently
    """
    walked: set[tuple[int, int]] = set()  # devices and inodes
    links = deque([""])
    while links:
        is_linked = bool(walked)
        left = [f"{links.popleft()}/"]  # paths below `folder`, the next one last; those of folders end in a slash
        while left:
            name = left.pop()
            path = os.path.join(folder, name) if name != "/" else folder
            if not name.endswith("/"):
                yield path
                continue
            try:
                found = os.stat(path)
                if is_linked and (found.st_dev, found.st_ino) in walked:
                    continue
                walked.add((found.st_dev, found.st_ino))
                names, linked, pointing = _content(path)
            except OSError:
                if unread is None or name == "/":
                    raise
                unread.append(path.rstrip("/"))
                continue
            inner = name if name != "/" else ""
            names = [each for each in names if each not in pointing or follows(inner + each)]
            left += [inner + each for each in reversed(names) if not each.endswith("/") or enters(inner + each[:-1])]
            links += [inner + each for each in linked if enters(inner + each) and follows(inner + each)]


def is_within(path: str, folder: str) -> bool:
    """Whether a path lies in a folder once all links on the ways to both are followed."""
    root = os.path.realpath(folder)
    return os.path.commonpath([root, os.path.realpath(path)]) == root


def _content(folder: str) -> tuple[list[str], list[str], set[str]]:
    """The names in a folder, in order, those of folders with a slash; of links to folders; of other links."""
    names, links, pointing = [], [], set[str]()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                names.append(f"{entry.name}/")
            elif entry.is_symlink() and os.path.isdir(entry.path):
                links.append(entry.name)
            else:
                names.append(entry.name)
                if entry.is_symlink():
                    pointing.add(entry.name)
    return sorted(names), sorted(links), pointing  # `a b` comes before the files in `a/`


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
