"""Rows that memory should not hold, on this machine's disk, to be read part by part.

Rows are collected, sorted by part, and written as one file each time there are enough: a run. A part is a batch in
every run, and memory holds one part, and the rows that are being collected.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

RUN_ROWS = 1 << 18
COMPRESSION = pa.ipc.IpcWriteOptions(compression="lz4")


class Spill:
    """Rows of `schema` in `parts` parts. To be closed."""

    def __init__(self, schema: pa.Schema, parts: int) -> None:
        self.schema = schema
        self.rows = 0
        self._parts = parts
        self._folder = TemporaryDirectory(prefix="framemill-")
        self._collected: list[tuple[pa.Table, NDArray[np.intp]]] = []
        self._collected_rows = 0
        self._runs: list[Path] = []

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
        """Write what has been collected."""
        if not self._collected:
            return
        parts = np.concatenate([parts for _, parts in self._collected])
        table = pa.concat_tables([table for table, _ in self._collected]).take(np.argsort(parts, kind="stable"))
        bounds = [0, *np.cumsum(np.bincount(parts, minlength=self._parts)).tolist()]
        path = Path(self._folder.name, str(len(self._runs)))
        with pa.ipc.new_file(str(path), self.schema, options=COMPRESSION) as writer:
            for first, end in pairwise(bounds):
                writer.write_batch(_batch(table.slice(first, end - first)))
        self._collected, self._collected_rows = [], 0
        self._runs.append(path)

    def part(self, number: int, first: int = 0, end: int | None = None) -> pa.Table:
        """The rows of a part, in the runs from `first` to before `end`, in the order in which they came."""
        batches = []
        for path in self._runs[first:end]:
            with pa.OSFile(str(path)) as file:
                batches.append(pa.ipc.open_file(file).get_batch(number))
        return pa.Table.from_batches(batches, self.schema)

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()


def _batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
