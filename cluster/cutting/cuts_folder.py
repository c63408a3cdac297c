"""The folder beside a manifest of clips, `OUTPUT.cuts`: what each video has come to, and records of runs.

    videos/HASH.json     one video (`schemas.cuttings.VideoCuts`); HASH is that of its id
    failures.parquet     videos that failed, as rows
    runs/RUN.json        record of each run; `lease.json` and others as in every dataset (`datasets.folder`)

A video's file is written after the files of its clips: a run that dies leaves no clip half done, and the next one goes
on with the videos that have no file.
"""

from __future__ import annotations

import hashlib
import logging
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ClassVar

from cluster.datasets.folder import DatasetFolder
from cluster.storage import files
from cluster.storage.listing import list_files
from cluster.storage.parquet import encode_table
from schemas.cuttings import CuttingRecord, VideoCuts
from schemas.errors import examples
from schemas.failures import FailureRow, failure_table
from schemas.text import counted

SUFFIX = ".cuts"
VIDEOS, FAILURES = "videos", "failures.parquet"
READERS = 16  # files of a bucket that are read at a time

logger = logging.getLogger("framemill")


class CutsFolder(DatasetFolder):
    """The folder of the manifest `output`."""

    elsewhere: ClassVar[str] = "Write the manifest to another place"

    def __init__(self, output: str, *, run_id: str) -> None:
        super().__init__(f"{output}{SUFFIX}", run_id=run_id)

    def stored(self, ids: Iterable[str]) -> dict[str, VideoCuts]:
        """What earlier runs have made of the videos with these ids."""
        folder = self.place(VIDEOS)
        there = {posixpath.basename(file.uri) for file in list_files(folder)} if files.exists(folder) else set()
        wanted = [self._uri_of(name) for name in ids if posixpath.basename(self._uri_of(name)) in there]
        with ThreadPoolExecutor(READERS) as pool:
            found = [cuts for cuts in pool.map(_read, wanted) if cuts is not None]
        return {cuts.id: cuts for cuts in found}

    def write(self, cuts: VideoCuts) -> None:
        """Store what a video has come to. Raises `DatasetError` where that fails."""
        with self.explained("written to"):
            files.write_bytes(self._uri_of(cuts.id), cuts.to_json().encode())

    def write_failures(self, rows: Sequence[FailureRow]) -> None:
        """Replace the table of videos that failed."""
        with self.explained("written to"):
            files.write_bytes(self.place(FAILURES), encode_table(failure_table(rows)))

    def close_records(self, predecessors: Iterable[str]) -> None:
        """Mark runs that died as such in their records."""
        self.close_runs(predecessors, CuttingRecord, lambda record: record)

    def _uri_of(self, name: str) -> str:
        return self.place(*_place_of(name))


def remove_files(folder: str | None, names: Iterable[str]) -> Iterator[str]:
    """Remove files that nothing refers to any more; those that cannot be removed are given back."""
    for name in names if folder else ():
        try:
            files.delete(files.join(folder or "", name))
        except FileNotFoundError:
            continue
        except (OSError, files.StorageError):
            yield name


def stored_cuts(output: str, name: str) -> VideoCuts | None:
    """What earlier runs into the manifest `output` have made of the video with this id."""
    try:
        return _read(files.join(f"{output}{SUFFIX}", *_place_of(name)))
    except (OSError, files.StorageError):
        return None  # where another machine wrote it: the video is done again


@contextmanager
def all_or_none(folder: str) -> Iterator[list[str]]:
    """Takes the names of files that are written to a folder, and removes these if the context ends in an error."""
    names: list[str] = []
    try:
        yield names
    except Exception:
        left = [*remove_files(folder, names)]
        if left:
            logger.warning(f"{counted(len(left), 'file')} of a video that failed cannot be removed: {examples(left)}")
        raise


def _place_of(name: str) -> tuple[str, str]:
    return VIDEOS, f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"


def _read(uri: str) -> VideoCuts | None:
    try:
        return VideoCuts.from_json(files.read_bytes(uri).decode())
    except (FileNotFoundError, ValueError):
        return None  # of another release, or gone: the video is done again
