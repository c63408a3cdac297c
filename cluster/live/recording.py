"""The recording of a live view: results → a Parquet file, which grows by being replaced.

In: results as they come. Out: at `uri`, from the first result on, a file that is always complete
(`schemas.recordings`), with all results but those of the last minute or so. A view that is killed loses no more.

Memory holds the results since the last save alone: the file so far is kept in a temporary file without a name, and
copied for each save. Saves of a recording of months take long, and become rarer in proportion.
"""

from __future__ import annotations

import json
import mmap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage import files
from schemas.recordings import RECORDING_SCHEMA, VIEW_KEY
from schemas.text import storable

SAVE_SECONDS = 60.0
MAX_SHARE = 0.02  # of the time, for saves
ROWS_PER_GROUP = 1 << 16


@dataclass(frozen=True, slots=True)
class Result:
    """What the network made of a look.

    time     when the latest frame was due, in seconds since 1970
    seconds  of that frame in the view
    places   (k,) positions of the top classes, the highest score first
    scores   (k,) their probabilities
    """

    time: float
    seconds: float
    places: Sequence[int]
    scores: Sequence[float]


class Recording:
    """Records results to `uri`; `view` describes the view so far, given its status."""

    def __init__(
        self, uri: str, indices: Sequence[int], names: Sequence[str], view: Callable[[str], Mapping[str, Any]]
    ) -> None:
        self.rows = 0
        self._uri, self._view = uri, view
        self._indices, self._names = pa.array(indices, pa.int32()), pa.array(map(storable, names), pa.string())
        self._lock = threading.Lock()
        self._pending: list[Result] = []
        self._saved: IO[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = threading.Event()
        self._error: Exception | None = None

    def add(self, result: Result) -> None:
        """Take a result. Raises the error that the latest save failed with."""
        if self._error is not None:
            raise self._error
        with self._lock:
            self._pending.append(result)
        self.rows += len(result.places)
        if self._thread is None:
            self._thread = threading.Thread(target=self._save_regularly, name="recording", daemon=True)
            self._thread.start()

    def close(self, status: str) -> None:
        """Save everything, unless there is nothing. Raises `StorageError` or `OSError` where that fails."""
        self._is_closed.set()
        if self._thread is not None:
            self._thread.join()
            self._save(status)

    def _save_regularly(self) -> None:
        wait_seconds = 0.0  # at first, so that a place that takes nothing shows early
        while not self._is_closed.wait(wait_seconds):
            started = time.monotonic()
            try:
                self._save("running")
            except Exception as error:
                self._error = error
                return
            wait_seconds = max(SAVE_SECONDS, (time.monotonic() - started) / MAX_SHARE)

    def _save(self, status: str) -> None:
        with self._lock:
            pending, self._pending = self._pending, []
        try:
            new = self._grown(pending, status)
        except BaseException:
            with self._lock:
                self._pending = pending + self._pending
            raise
        before, self._saved = self._saved, new
        if before is not None:
            before.close()
        with mmap.mmap(new.fileno(), 0, access=mmap.ACCESS_READ) as content, memoryview(content) as data:
            files.write_bytes(self._uri, data)

    def _grown(self, pending: Sequence[Result], status: str) -> IO[bytes]:
        """A new temporary file: what is saved, and `pending`."""
        schema = RECORDING_SCHEMA.with_metadata({VIEW_KEY: json.dumps(dict(self._view(status)))})
        new = TemporaryFile(prefix="framemill-")  # noqa: SIM115 - kept
        try:
            with pq.ParquetWriter(new, schema, compression="zstd") as writer:
                rest = RECORDING_SCHEMA.empty_table() if self._saved is None else _copied(self._saved, writer)
                writer.write_table(pa.concat_tables([rest, self._table(pending)]), ROWS_PER_GROUP)
            new.flush()
        except BaseException:
            with suppress(OSError):  # of what cannot be flushed
                new.close()
            raise
        return new

    def _table(self, results: Sequence[Result]) -> pa.Table:
        places = pa.array([place for result in results for place in result.places], pa.int64())
        times = [datetime.fromtimestamp(result.time, UTC) for result in results for _ in result.places]
        seconds = [result.seconds for result in results for _ in result.places]
        scores = [score for result in results for score in result.scores]
        return pa.table(
            [
                pa.array(times, RECORDING_SCHEMA.field("time").type),
                pa.array(seconds, pa.float64()),
                self._indices.take(places),
                self._names.take(places),
                pa.array(scores, pa.float32()),
            ],
            schema=RECORDING_SCHEMA,
        )


def _copied(file: IO[bytes], writer: pq.ParquetWriter) -> pa.Table:
    """Write the row groups of `file` again, all but the last one, which is returned."""
    file.seek(0)
    parquet = pq.ParquetFile(file)
    last = parquet.num_row_groups - 1
    for number in range(last):
        writer.write_table(parquet.read_row_group(number))
    return parquet.read_row_group(last)
