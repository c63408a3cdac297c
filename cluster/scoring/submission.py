"""The submission CSV of YouTube-8M's competitions, from label shards: on disk or in a bucket, whole or not at all.

It is written on this machine's disk, a shard at a time, so that memory does not grow with the number of videos.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pyarrow as pa

from cluster.storage import files
from cluster.storage.local_files import TEMPORARY_SUFFIX
from schemas.labels import SUBMISSION_HEADER, submission_lines


def write_submission(uri: str, tables: Iterable[pa.Table]) -> int:
    """Write the rows of label tables, in their order; returns their number.

    Raises:
        ValueError: for an id that the form cannot hold.
        OSError, cluster.storage.files.StorageError: where it cannot be written.
    """
    files.check_writable(uri)
    if files.is_local(uri):
        path = Path(files.local_path(uri))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{uuid4().hex}{TEMPORARY_SUFFIX}")
        try:
            rows = _write(temporary, tables)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return rows
    with TemporaryDirectory(prefix="framemill-") as folder:
        made = Path(folder, "submission.csv")
        rows = _write(made, tables)
        fs, key = files.filesystem(uri)
        files.call_store(uri, lambda: fs.put_file(str(made), key))
    return rows


def _write(path: Path, tables: Iterable[pa.Table]) -> int:
    rows = 0
    with path.open("wb") as file:
        file.write(f"{SUBMISSION_HEADER}\n".encode())
        for table in tables:
            for batch in table.to_batches():
                file.write(submission_lines(batch.column("id"), batch.column("labels")))
                rows += len(batch)
        file.flush()
        os.fsync(file.fileno())
    return rows
