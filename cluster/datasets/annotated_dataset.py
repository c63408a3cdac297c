"""A dataset whose rows hold labels and splits, which follow the manifest, and that a run works on a partition of.

    features/part-RUN-00000.parquet   rows, with `labels` and `split` among their columns
    vocabulary.csv                    class names, where labels were given by name

Shards whose rows hold other labels or splits than the manifest are replaced one by one; a run that is cut short leaves
the rest to the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from typing_extensions import override

from cluster.datasets.annotations import ANNOTATED, Annotations, annotations_of, emptied
from cluster.datasets.folder import DatasetFolder, stored_parquet
from cluster.datasets.partitioning import shared_lease
from cluster.datasets.partitions import WHOLE, Partition
from cluster.datasets.tables import groups, load_table, store_table
from cluster.datasets.vocabulary import VOCABULARY_FILE, Vocabulary, class_names, extend_vocabulary, read_vocabulary
from cluster.storage.buckets import StoredFile
from cluster.storage.parquet import read_columns
from schemas.text import counted
from schemas.videos import Video

MAX_REQUESTS = 16  # concurrent ones

logger = logging.getLogger("framemill")


class AnnotatedDataset(DatasetFolder):
    """The dataset at `root`; of its ids, the run works on a `partition` alone (`cluster.datasets.partitioning`)."""

    def __init__(self, root: str, *, run_id: str, partition: Partition = WHOLE) -> None:
        super().__init__(root, run_id=run_id)
        self.partition = partition

    @override
    def lease_uri(self) -> str:
        """Where the lease is; each partition has its own."""
        return self.place(f"lease-{self.partition.folder}.json") if self.partition.folder else super().lease_uri()

    def vocabulary_uri(self) -> str:
        """Where the class names are."""
        return self.place(VOCABULARY_FILE)

    def name_classes(self, videos: Sequence[Video]) -> Vocabulary:
        """Give the class names of a manifest their permanent indices; returns all names. The caller holds the lease."""
        return self.add_classes(class_names(videos))

    def add_classes(self, names: Sequence[str]) -> Vocabulary:
        """Give these names of classes their permanent indices, in their order, as `name_classes` does."""
        with self.explained("written to"):
            if self.partition == WHOLE:
                return extend_vocabulary(self.writer, self.vocabulary_uri(), names)
            vocabulary = read_vocabulary(self.vocabulary_uri())
            if not vocabulary.add_names(names):  # which no partition ever takes out again
                return vocabulary
            with shared_lease(self.place("lease-vocabulary.json"), self.run_id) as lease:
                return extend_vocabulary(lease, self.vocabulary_uri(), names)

    def outdated(self, videos: Sequence[Video]) -> Mapping[str, Sequence[str]]:
        """By shard, the ids of its rows that hold other labels or splits than a manifest says. Writes nothing."""
        given = self._annotations(videos)
        return self._outdated(given, self._shards()) if given else {}

    def annotate(self, videos: Sequence[Video]) -> int:
        """Give rows the labels and splits of a manifest; returns how many held others. The caller holds the lease.

        `name_classes` comes first: an index that a shard holds has its name.
        """
        given = self._annotations(videos)
        return self._annotate([(given, self._shards())]) if given else 0

    def annotate_parts(self, parts: Iterable[tuple[Annotations, Sequence[str]]]) -> int:
        """The same for parts of a manifest, each with the shards that had rows of its videos when the run began."""
        there = set(self._shards())
        return self._annotate((given, sorted(there.intersection(shards))) for given, shards in parts)

    def _annotate(self, parts: Iterable[tuple[Annotations, Sequence[str]]]) -> int:
        rows = lost = 0
        for given, shards in parts:
            outdated = self._outdated(given, shards)
            rows += sum(map(len, outdated.values()))
            with self.explained("written to"):
                for group in groups(list(outdated)):
                    with self.writer.changing(group):
                        for shard in group:
                            stored = load_table(self.writer, shard)
                            after = given.apply(stored.table)
                            self.bytes_written += store_table(self.writer, stored, after)[1]
                            lost += emptied(stored.table, after)
        if rows:
            without = f"; {lost} of them without a label now" if lost else ""
            logger.info(
                f"{self.root}: {counted(rows, 'settled video')} got the labels and splits of the manifest{without}"
            )
        return rows

    def _annotations(self, videos: Sequence[Video]) -> Annotations:
        with self.explained("read"):
            vocabulary = read_vocabulary(self.vocabulary_uri())
        vocabulary.add(videos)
        return annotations_of(videos, vocabulary)

    def _outdated(self, given: Annotations, shards: Sequence[str]) -> dict[str, list[str]]:
        """By shard, the ids of its rows that hold something else than they are given."""
        with self.explained("read"), ThreadPoolExecutor(MAX_REQUESTS) as pool:
            found = pool.map(lambda shard: given.outdated(read_columns(shard, ANNOTATED)), shards)
            return {shard: names for shard, names in zip(shards, found, strict=True) if names}

    def _shards(self) -> list[str]:
        with self.explained("read"):
            return self._files("features")

    def _own(self, folder: str, *names: str) -> str:
        """The URI of a folder, or of a file in it, that this run may change."""
        return self.place(folder, *([self.partition.folder] if self.partition.folder else []), *names)

    def _files(self, folder: str) -> list[str]:
        return [file.uri for file in self._stored(folder)]

    def _stored(self, folder: str) -> list[StoredFile]:
        return list(stored_parquet(self._own(folder)))
