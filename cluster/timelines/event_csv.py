"""The events of all videos as one CSV, for label tools: `id,start_seconds,end_seconds,labels,score`, an event a line.

In: tables of label shards with the columns of `EVENTS_SCHEMA`. Out: a file on disk or in a bucket, whole or not at all.
Seconds have three decimals at most, scores six. Texts that a spreadsheet would compute have an apostrophe in front
(`schemas.cells`).

The columns are those of our clip manifests (id, uri, start_seconds, end_seconds, labels) but for the URI, which label
shards do not have, and those that `cluster.timelines.annotations` reads as truth: corrected events evaluate the next
model. Tools take them so:

- ELAN (File > Import > CSV / Tab-delimited Text File) asks what each column is: start_seconds is Begin Time,
  end_seconds End Time, labels Tier and score Annotation, and the first row of data is 2. With a tier for each class no
  annotations overlap, which a tier does not allow. A document of ELAN is of one video: give it the lines of one
- VIA 3 imports no CSV, but subtitles: the files of `cluster.timelines.webvtt`
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from cluster.storage.output_file import output_file
from schemas.cells import csv_lines
from schemas.timelines import video_events

COLUMNS = ("id", "start_seconds", "end_seconds", "labels", "score")


def write_events_csv(uri: str, tables: Iterable[pa.Table]) -> int:
    """Write the events of label tables, in their order; returns how many.

    Raises:
        OSError, cluster.storage.files.StorageError: where it cannot be written.
    """
    count = 0
    with output_file(uri) as file:
        file.write(csv_lines([COLUMNS]))
        for table in tables:
            rows = _rows(table)
            file.write(csv_lines(rows))
            count += len(rows)
    return count


def event_lines(tables: Iterable[pa.Table]) -> bytes:
    """The content of such a file."""
    return b"".join([csv_lines([COLUMNS]), *(csv_lines(_rows(table)) for table in tables)])


def _rows(table: pa.Table) -> list[tuple[str, float, float, str, float]]:
    return [
        (video.id, round(event.start_seconds, 3), round(event.end_seconds, 3), event.name, round(event.score, 6))
        for video in video_events(table)
        for event in video.events
    ]
