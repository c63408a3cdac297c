"""Labels and splits for rows that are settled, from videos of which memory holds one part at a time.

What a stream says of them is kept on this machine's disk, by shard, until all of it has been said: only then is it
known whether any video has labels, or a split (`datasets.annotations`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from cluster.datasets.annotations import GIVEN, Annotations, annotations_given
from cluster.datasets.partitions import PARTS
from cluster.datasets.settled_rows import SettledFile, SettledPart
from cluster.datasets.video_stream import VideoStream
from cluster.datasets.vocabulary import Vocabulary
from cluster.storage.spill import Spill

FILE = pa.field("file", pa.int32())  # that lists the row, as in `settled_rows.ROWS`


class LateAnnotations:
    """What videos say of rows in `files`. To be closed."""

    def __init__(self, files: Sequence[SettledFile]) -> None:
        self._files = files
        self._spill = Spill(GIVEN.append(FILE), PARTS)

    def add(self, part: SettledPart, given: pa.Table) -> None:
        """Take what videos in this part say (`annotations.GIVEN`); those that have no row are left out."""
        places = part.files_of(given["id"].combine_chunks())
        rows = given.append_column(FILE, places).filter(places.is_valid())
        if len(rows):
            self._spill.add(rows, rows[FILE.name].to_numpy() % PARTS)

    def parts(self, stream: VideoStream, vocabulary: Vocabulary) -> Iterator[tuple[Annotations, list[str]]]:
        """What all videos of a stream that is at its end have said, and the shards of which they have said it."""
        self._spill.flush()
        for number in range(PARTS) if stream.has_labels or stream.has_splits else ():
            rows = self._spill.part(number)
            places = pc.unique(rows[FILE.name]).to_pylist()
            given = annotations_given(rows, vocabulary, labels=stream.has_labels, splits=stream.has_splits)
            yield given, [shard for place in places if (shard := self._files[place].shard) is not None]

    def close(self) -> None:
        """Remove what is on disk."""
        self._spill.close()
