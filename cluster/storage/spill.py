"""Rows that memory should not hold, on this machine's disk, to be read part by part.

Rows are collected, sorted by part, and written as one file each time there are enough: a run. Memory holds the part
that is read, and the rows that are being collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cluster.storage.temporaries import temporaries_explained

RUN_ROWS = 1 << 18
CONTENT = "the list of videos"  # as errors name it
COMPRESSION = pa.ipc.IpcWriteOptions(compression="lz4")


class Spill:
    """Rows of `schema` in `parts` parts. To be closed."""

    def __init__(self, schema: pa.Schema, parts: int) -> None:
        self.schema = schema
        self.rows = 0
        self._parts = parts
        with temporaries_explained(CONTENT):
            self._folder = TemporaryDirectory(prefix="framemill-")
        self._collected: list[tuple[pa.Table, NDArray[np.intp]]] = []
        self._collected_rows = 0
        self._runs: list[tuple[Path, list[int]]] = []  # the file of each, and where its parts begin

    @property
    def runs(self) -> int:
        """How many runs are on disk: those that come later do not change them."""
        return len(self._runs)

    def add(self, table: pa.Table, parts: NDArray[np.intp]) -> None:
        """Take rows, and the part of each."""
        self._collected.append((table, parts))
        self._collected_rows += len(table)
        self.rows += len(table)
        if self._collected_rows >= RUN_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what has been collected. Raises `InputError` where the disk takes no more."""
        if not self._collected:
            return
        parts = np.concatenate([parts for _, parts in self._collected])
        table = pa.concat_tables([table for table, _ in self._collected]).take(np.argsort(parts, kind="stable"))
        bounds = [0, *np.cumsum(np.bincount(parts, minlength=self._parts)).tolist()]
        path, starts = Path(self._folder.name, str(len(self._runs))), []
        with temporaries_explained(CONTENT), path.open("wb") as file:
            for first, end in pairwise(bounds):
                starts.append(file.tell())
                if end > first:
                    with pa.ipc.new_stream(file, self.schema, options=COMPRESSION) as writer:
                        writer.write_table(table.slice(first, end - first))
            starts.append(file.tell())
        self._collected, self._collected_rows = [], 0
        self._runs.append((path, starts))

    def part(
        self, number: int, first: int = 0, end: int | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """The rows of a part, or some of their `columns`, in the order in which they came.

        first, end  the runs that are read: from one to before the other
        """
        places = None if columns is None else list(map(self.schema.get_field_index, columns))
        options = pa.ipc.IpcReadOptions(included_fields=places)
        tables = [self.schema.empty_table().select(self.schema.names if columns is None else columns)]
        for path, starts in self._runs[first:end]:
            size = starts[number + 1] - starts[number]
            if size:
                with path.open("rb", buffering=0) as file:
                    file.seek(starts[number])
                    tables.append(pa.ipc.open_stream(file.read(size), options=options).read_all())
        return pa.concat_tables(tables)

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()
