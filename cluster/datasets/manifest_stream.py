"""The videos of a large manifest, which is read while the first of them are worked on.

What is wrong with it ends the stream once all of it has been read, by one `ManifestError` that lists all problems; rows
without any are handed out until then. Of rows with one id the first is handed out, and of labels those of the kind that
comes first, indices or names. The versions of files (`manifest_videos.with_versions`) are asked for as rows are read.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, islice
from threading import Event
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from cluster.datasets.left_out import TarAccount
from cluster.datasets.manifest_videos import (
    MAX_FOUND,
    ManifestError,
    ManifestReader,
    checked,
    tars_with_versions,
    whole_manifest,
    with_versions,
)
from cluster.datasets.partitions import PARTS, VIDEO_SUFFIXES, Partition
from cluster.datasets.spilled_videos import SpilledVideos
from cluster.datasets.tar_videos import unpacked
from cluster.datasets.video_folder import TARS_AT_ONCE, with_distinct_ids
from cluster.datasets.video_problems import duplicates, may_repeat, mixed_labels, repeated
from cluster.datasets.video_table import VIDEOS, video_of, video_table
from cluster.storage.redaction import redacted_uri
from cluster.storage.spill import Spill
from cluster.storage.tar_members import is_tar
from schemas.videos import Video

ROWS_AT_ONCE = 1 << 16
# What tells whether a video is there twice.
IDS = pa.schema([VIDEOS.field(name) for name in ("id", "uri")])
REPEATABLE = pa.schema([VIDEOS.field(name) for name in ("id", "uri", "split", "start_us", "end_us")])

logger = logging.getLogger("framemill")


class StreamedManifest(SpilledVideos):
    """Those videos of a manifest that a partition holds: the `first` ones, without problems, and those of `reader`."""

    def __init__(self, reader: ManifestReader, first: Sequence[tuple[Video, str]], partition: Partition) -> None:
        super().__init__(partition)
        self._reader, self._first = reader, first
        self._problems: list[str] = []
        self._is_told = False  # that there are problems
        self._labelled: Video | None = None  # the first with labels
        self._is_mixed = False
        self._has_videos = False
        self._repeatable = Spill(REPEATABLE, PARTS)  # by URI, of all partitions
        self._silent: Counter[str] = Counter()  # servers that do not tell versions
        self._tars = TarAccount()
        self._is_ending = Event()

    @property
    @override
    def unread(self) -> tuple[str, ...]:
        return tuple(self._tars.unread)

    @property
    @override
    def unread_share(self) -> float:
        return self._tars.unread_share

    @override
    def close(self) -> None:
        self._is_ending.set()
        super().close()

    @override
    def _release(self) -> None:
        super()._release()
        self._reader.close()
        self._repeatable.close()

    @override
    def _find_all(self) -> Sequence[Video]:
        found = whole_manifest(self._reader, chain(self._first, self._reader), self._tars)
        checked(self._reader.source, found, self._reader.problems)
        return with_versions(found.videos, self._reader.policy)

    @override
    def _find(self) -> None:
        rows = chain(self._first, self._reader)
        while some := list(islice(rows, ROWS_AT_ONCE)):
            self._first = ()
            self._take(some)
            if self._is_closed:
                return
            self._tell()
        self._tars.log()
        if problems := self._all_problems():
            raise ManifestError(self._reader.source, problems)

    def _take(self, rows: Sequence[tuple[Video, str]]) -> None:
        self._add([video for video, _ in rows if not is_tar(video.uri)])
        tars = [(video, name) for video, name in rows if is_tar(video.uri)]
        for start in range(0, len(tars), TARS_AT_ONCE):
            if self._is_closed:
                return
            videos, names = zip(*tars[start : start + TARS_AT_ONCE], strict=True)
            policy = self._reader.policy
            members = unpacked(
                tars_with_versions(videos, policy, self._silent), names, VIDEO_SUFFIXES, policy, is_over=self._is_ending
            )
            self._tars.add(members)
            self._add(with_distinct_ids(members.videos, members.names))

    @override
    def _add(self, videos: Sequence[Video]) -> None:
        videos = self._of_one_kind(videos)
        self._has_videos = self._has_videos or bool(videos)
        if several := list(filter(may_repeat, videos)):
            table = video_table(several).select(REPEATABLE.names)
            self._repeatable.add(table, np.array([crc32(uri) % PARTS for uri in table["uri"].to_pylist()]))
        super()._add(videos)

    @override
    def _completed(self, videos: Sequence[Video]) -> Sequence[Video]:
        return with_versions(videos, self._reader.policy, self._silent)

    def _of_one_kind(self, videos: Sequence[Video]) -> Sequence[Video]:
        """The videos without those whose labels are names where others are indices, or the other way round."""
        first = self._labelled = self._labelled or next((video for video in videos if video.labels), None)
        if first is None:
            return videos
        kind = type(first.labels[0])
        kept = [video for video in videos if all(isinstance(label, kind) for label in video.labels)]
        if len(kept) < len(videos) and not self._is_mixed:
            self._is_mixed = True
            self._problems += mixed_labels([first, *videos])
        return kept

    def _tell(self) -> None:
        """Log the first problem once it is known."""
        problems = [*self._reader.problems, *self._problems][:1]
        if problems and not self._is_told:
            self._is_told = True
            logger.warning(
                f"{redacted_uri(self._reader.source)}: {problems[0]}: the run ends, and lists all problems, once the "
                "manifest has been read"
            )

    def _all_problems(self) -> list[str]:
        self._flushed()
        self._repeatable.flush()
        problems = [*self._reader.problems, *self._problems]
        for number in range(PARTS):
            if self._is_closed or len(problems) > MAX_FOUND:
                break
            problems += duplicates(map(video_of, _several(self._spill, number, "id", IDS)))
            problems += repeated(map(video_of, _several(self._repeatable, number, "uri", REPEATABLE)))
        return problems or ([] if self._has_videos else ["no video found there"])

    @override
    def _distinct(self, found: pa.Table, earlier_ids: Callable[[], pa.ChunkedArray]) -> pa.Table:
        found = found.filter(pc.invert(pc.is_in(found["id"], value_set=earlier_ids())))
        if len(found["id"].unique()) == len(found):
            return found
        _, first = np.unique(found["id"].to_numpy(), return_index=True)
        return found.take(pa.array(np.sort(first)))


def _several(spill: Spill, number: int, key: str, schema: pa.Schema) -> list[dict[str, Any]]:
    """Some columns of those rows of a part whose `key` other rows have, too."""
    keys = spill.part(number, columns=[key])[key]
    counts = keys.value_counts()
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if not len(several):
        return []
    table = spill.part(number, columns=schema.names)
    rows: list[dict[str, Any]] = table.filter(pc.is_in(table[key], value_set=several)).to_pylist()
    return rows
