"""A private folder of one process: the uploads of a service under names of our own, or what replicas hand to children.

In: nothing that a client has named. What a process leaves behind that is killed is removed by the next one to start in
that place, which can lock what the other one had locked.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from schemas.errors import InputError

PREFIX = "framemill-serve-"
LOCK = "lock"


class Spool:
    """A new folder in `place`, or where temporary files go. To be closed. Raises `InputError` where it cannot be made.

    removed  folders of killed processes that were there
    """

    def __init__(self, place: str | None) -> None:
        parent = Path(place or tempfile.gettempdir()).absolute()
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self.removed = sum(_remove_abandoned(folder) for folder in parent.glob(f"{PREFIX}*"))
            self.folder, self._lock = _locked_folder(parent)
        except OSError as error:
            raise InputError(f"uploads cannot be kept in {parent}: {error.strerror}; give another --uploads") from error

    def new_file(self) -> Path:
        """A place for a file that is not there yet."""
        return self.folder / secrets.token_hex(16)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def _locked_folder(parent: Path) -> tuple[Path, BinaryIO]:
    """A new folder, for this user alone, and its lock.

    Another process that starts may take it for abandoned, and remove it, before it is locked: then it is made anew.
    """
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = (folder / LOCK).open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / LOCK).exists():
            return folder, lock
        lock.close()


def _remove_abandoned(folder: Path) -> bool:
    """Remove the folder of a process that is no more; returns whether it was one."""
    try:
        with (folder / LOCK).open("r+b") as lock:
            if folder.stat().st_uid != os.getuid() or not _is_free(lock):
                return False
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return False  # another user's, or one that is being made
    return True


def _is_free(lock: BinaryIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
