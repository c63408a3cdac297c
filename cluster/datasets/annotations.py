"""Labels and splits that a manifest gives to videos, for feature rows that have been written already.

A column that the manifest lacks, or leaves empty for all videos, says nothing, and rows keep what they hold. Otherwise
it counts for all videos of the manifest: an empty cell takes labels or split away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cluster.datasets.vocabulary import Vocabulary
from schemas.videos import Video

ANNOTATED = ("id", "labels", "split")
# What a manifest says of a video, as it says it: class indices, or the names of classes. Null for nothing.
GIVEN = pa.schema(
    [
        ("id", pa.string()),
        ("labels", pa.list_(pa.int32())),
        ("names", pa.list_(pa.string())),
        ("split", pa.string()),
    ]
)


@dataclass(frozen=True)
class Annotations:
    """Class indices and splits by video id; a mapping is empty where the manifest says nothing."""

    labels: Mapping[str, tuple[int, ...]]
    splits: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.labels or self.splits)

    def outdated(self, table: pa.Table) -> list[str]:
        """The ids of the rows, of which `ANNOTATED` are needed, that hold other labels or another split."""
        ids, labels, splits = (table[name].to_pylist() for name in ANNOTATED)
        return [
            name
            for name, its_labels, its_split in zip(ids, labels, splits, strict=True)
            if (*self.labels.get(name, its_labels),) != (*its_labels,) or self.splits.get(name, its_split) != its_split
        ]

    def apply(self, table: pa.Table) -> pa.Table:
        """The table with its labels and splits replaced, and everything else as it is."""
        ids = table["id"].to_pylist()
        given: dict[str, Mapping[str, object]] = {"labels": self.labels, "split": self.splits}
        for name, values in given.items():
            field = table.schema.field(name)
            replaced = [values.get(video, was) for video, was in zip(ids, table[name].to_pylist(), strict=True)]
            table = table.set_column(table.schema.get_field_index(name), field, pa.array(replaced, field.type))
        return table


def emptied(before: pa.Table, after: pa.Table) -> int:
    """How many rows had labels `before`, and have none `after`."""
    had, has = (pc.greater(pc.list_value_length(table["labels"]), 0) for table in (before, after))
    return pc.sum(pc.and_(had, pc.invert(has))).as_py() or 0


def annotations_of(videos: Sequence[Video], vocabulary: Vocabulary) -> Annotations:
    """What a manifest says about its videos; `vocabulary` names all their labels."""
    return Annotations(
        labels={video.id: vocabulary.indices(video) for video in videos} if any(each.labels for each in videos) else {},
        splits={video.id: video.split for video in videos} if any(each.split for each in videos) else {},
    )


def annotations_given(table: pa.Table, vocabulary: Vocabulary, *, labels: bool, splits: bool) -> Annotations:
    """What rows of `GIVEN` say; `labels` and `splits` tell of what any video of the manifest has one."""
    ids = table["id"].to_pylist()
    indices = map(vocabulary.indices_of, table["labels"].to_pylist(), table["names"].to_pylist())
    return Annotations(
        labels=dict(zip(ids, indices, strict=True)) if labels else {},
        splits={name: split or "" for name, split in zip(ids, table["split"].to_pylist(), strict=True)}
        if splits
        else {},
    )
