"""The videos of a large folder, which is listed while the first of them are worked on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from cluster.datasets.partitions import WHOLE, Partition
from cluster.datasets.spilled_videos import SpilledVideos
from cluster.datasets.video_folder import FolderListing, VideoFolder
from cluster.storage.buckets import StoredFile
from schemas.errors import InputError, examples
from schemas.videos import Video


class ListedVideos(SpilledVideos):
    """The videos in a folder; `files` of the listing are still being listed.

    `check` raises an exception for a whole folder that cannot be worked on.
    """

    def __init__(
        self,
        listing: FolderListing,
        files: Iterable[Sequence[StoredFile]],
        check: Callable[[VideoFolder], object],
        partition: Partition = WHOLE,
    ) -> None:
        super().__init__(partition)
        self._listing, self._files, self._check = listing, files, check
        self._has_videos = False

    @property
    @override
    def unread(self) -> tuple[str, ...]:
        return (*self._listing.unread, *self._listing.tars.unread, *self._listing.outside)

    @property
    @override
    def unread_share(self) -> float:
        return self._listing.tars.unread_share

    @override
    def close(self) -> None:
        super().close()
        self._listing.close()

    @override
    def _find_all(self) -> Sequence[Video]:
        found = self._listing.folder(file for some in self._files for file in some)
        self._check(found)
        return found.videos

    @override
    def _find(self) -> None:
        for some in self._files:
            if self._is_closed:
                break
            if not self._listing.is_ordered:
                raise InputError("this store lists its files in no order, and there are too many: give a manifest")
            for videos in self._listing.some_videos(some):
                if self._is_closed:
                    break
                self._has_videos = self._has_videos or bool(videos)
                self._add(videos)
        if self._has_videos or self._is_closed:
            self._listing.log_end()
        else:
            self._check(self._listing.folder(()))  # which says what there is instead

    @override
    def _distinct(self, found: pa.Table, earlier_ids: Callable[[], pa.ChunkedArray]) -> pa.Table:
        earlier = earlier_ids() if self._listing.tars.count else pa.array([], pa.string())
        ids = found["id"]
        if len(ids.unique()) < len(ids) or pc.any(pc.is_in(ids, value_set=earlier)).as_py():
            counts = Counter([*earlier.to_pylist(), *ids.to_pylist()])
            twice = sorted(name for name, count in counts.items() if count > 1)
            raise InputError(f"members of tars have the ids of other videos, rename the tars: {examples(twice)}")
        return found
