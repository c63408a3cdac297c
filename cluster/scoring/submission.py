"""The submission CSV of YouTube-8M's competitions, from label shards: on disk or in a bucket, whole or not at all.

It is written a shard at a time, so that memory does not grow with the number of videos.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from cluster.storage.output_file import output_file
from schemas.labels import SUBMISSION_HEADER, submission_lines


def write_submission(uri: str, tables: Iterable[pa.Table]) -> int:
    """Write the rows of label tables, in their order; returns their number.

    Raises:
        ValueError: for an id that the form cannot hold.
        OSError, cluster.storage.files.StorageError: where it cannot be written.
    """
    rows = 0
    with output_file(uri) as file:
        file.write(f"{SUBMISSION_HEADER}\n".encode())
        for table in tables:
            for batch in table.to_batches():
                file.write(submission_lines(batch.column("id"), batch.column("labels")))
                rows += len(batch)
    return rows
