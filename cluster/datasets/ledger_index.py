"""The index of a dataset's ledgers and failures: their lines in few files, so that a run need not open many.

    index/RUN/000.parquet …   the lines of each part (`cluster.datasets.partitions`), as `settled_rows.ROWS`
    index/RUN.parquet         the files that they come from, and the version of each; written last

It adds nothing to these files and takes nothing from them: lines count as long as their file is there in the version
that was indexed, and all others are read from the files. So nothing depends on whether an index is there, is whole, is
old, or was written by a run that had been overtaken; and no reader of the dataset looks at it.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterable, Sequence
from contextlib import suppress

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cluster.storage import files
from cluster.storage.listing import list_files
from cluster.storage.parquet import TableError, is_of_system, read_table, write_table
from cluster.storage.writer import Writer

logger = logging.getLogger("framemill")
INDEXED = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("revision", pa.string()),  # of the sampling; null where the file names none
    ]
)


class LedgerIndex:
    """The index that run `name` has written to `folder`; `files` is a table of `INDEXED`."""

    def __init__(self, folder: str, name: str, files: pa.Table) -> None:
        self.files = files
        self._folder, self._name = folder, name

    def places(self, versions: Sequence[tuple[str, str]]) -> NDArray[np.int32]:
        """(files,) the place of each of its files among those given by URI and version; -1 where it is not there."""
        given = {one: place for place, one in enumerate(versions) if one[1]}
        ours = zip(self.files["uri"].to_pylist(), self.files["version"].to_pylist(), strict=True)
        return np.array([given.get(one, -1) for one in ours], np.int32)

    def part(self, number: int) -> pa.Table:
        """The lines of a part, with their places among `files`.

        An index that is damaged, or lacks the part, is removed, and raises `TableError`.
        """
        try:
            return read_table(_part_uri(self._folder, self._name, number))
        except (OSError, TableError) as error:
            if is_of_system(error) and not isinstance(error, FileNotFoundError):
                raise  # which says nothing of the index
            with suppress(FileNotFoundError):  # a newer one has taken its place
                files.delete(_table_uri(self._folder, self._name))
            raise TableError(f"the index {self._name} was damaged and is removed: run again\n{error}") from error


def newest_index(folder: str) -> LedgerIndex | None:
    """The index in `folder` that was written last, if there is one that can be read."""
    names = _names(folder)
    if not names:
        return None
    uri = _table_uri(folder, names[-1])
    try:
        indexed = read_table(uri, INDEXED.names)
    except (OSError, TableError) as error:
        logger.warning(f"{uri} is damaged, and all ledgers are read instead: {error}")
        return None
    return LedgerIndex(folder, names[-1], indexed)


def write_index(writer: Writer, folder: str, run_id: str, indexed: pa.Table, parts: Iterable[pa.Table]) -> None:
    """Write an index and remove those that are older. The caller holds the lease, by which `writer` writes."""
    for number, table in enumerate(parts):
        write_table(_part_uri(folder, run_id, number), table)
    write_table(_table_uri(folder, run_id), indexed)
    with writer.changing(()):  # whoever was overtaken removes nothing
        for name in _names(folder):
            if name < run_id:
                remove_index(folder, name)
        for name in _unfinished(folder):
            if name < run_id:
                files.delete_folder(files.join(folder, name))


def remove_index(folder: str, name: str) -> None:
    """Remove the index that run `name` has written: first what makes it count."""
    files.delete(_table_uri(folder, name))
    files.delete_folder(files.join(folder, name))


def _table_uri(folder: str, name: str) -> str:
    return files.join(folder, f"{name}.parquet")


def _part_uri(folder: str, name: str, number: int) -> str:
    return files.join(folder, name, f"{number:03d}.parquet")


def _names(folder: str) -> list[str]:
    """The runs whose index is whole, in order."""
    return sorted(posixpath.splitext(path)[0] for path in _paths(folder) if "/" not in path)


def _unfinished(folder: str) -> list[str]:
    """The runs that left parts of one."""
    return sorted({path.partition("/")[0] for path in _paths(folder) if "/" in path} - set(_names(folder)))


def _paths(folder: str) -> list[str]:
    if not files.exists(folder):
        return []
    return [file.uri.removeprefix(f"{folder}/") for file in list_files(folder) if file.uri.endswith(".parquet")]
