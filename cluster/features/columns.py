"""Reads the columns of feature files other than the features: ids, labels, URIs and columns that users added.

In: `FeatureFiles`, or one file. Out: a value for each row, in the order of the files. Only the requested columns of a
shard are decoded; records have to be parsed as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from classifiers.data.class_choice import LabelLists
from cluster.features.files import (
    PARQUET,
    FeatureFile,
    FeatureFileError,
    FeatureFiles,
    as_feature_error,
    parquet_footer,
    whole_parquet,
)
from cluster.features.tfrecord_reader import read_records
from cluster.storage.files import on_disk


@dataclass(frozen=True)
class FeatureIndex:
    """Ids and labels of all N rows, in the order of the files."""

    ids: list[str]
    labels: LabelLists


def read_index(features: FeatureFiles) -> FeatureIndex:
    """Ids and labels of all rows; the features of shards are not read."""
    ids: list[str] = []
    counts: list[NDArray[np.int64]] = []
    values: list[NDArray[np.int64]] = []
    for file in features.files:
        for names, labels in _index_of(file):
            ids += names
            counts.append(np.diff(labels.offsets))
            values.append(labels.values)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
    return FeatureIndex(ids, LabelLists(offsets, np.concatenate(values).astype(np.int64)))


def read_ids(file: FeatureFile) -> pa.StringArray:
    """The ids of a file's rows; nothing else of a shard is downloaded."""
    if not file.is_parquet:
        return pa.array([name for names, _ in _index_of(file) for name in names], pa.string())
    with parquet_footer(file.uri, ["id"]) as parquet, as_feature_error(file.uri):
        ids = parquet.read(["id"], use_threads=False)["id"]
    if ids.null_count:
        raise FeatureFileError(f"{file.uri}: ids are missing (null)")
    return ids.combine_chunks()


def read_column(features: FeatureFiles, name: str) -> list[str]:
    """A text column that was added to the shards, such as `split`; empty where it is null."""
    values: list[str] = []
    for file in features.files:
        if not file.is_parquet:
            raise FeatureFileError(f"{file.uri} has no column {name!r}: only {PARQUET} files have extra columns")
        with whole_parquet(file.uri, [name]) as parquet:
            if name not in parquet.schema_arrow.names:
                raise FeatureFileError(f"{file.uri} has no column {name!r}: {', '.join(parquet.schema_arrow.names)}")
            values += ["" if value is None else str(value) for value in parquet.read([name])[name].to_pylist()]
    return values


def read_uris(features: FeatureFiles, ids: Collection[str]) -> dict[str, str]:
    """The URIs of some videos, by id; `.tfrecord` files have none, so their videos are left out."""
    wanted = pa.array(sorted(ids), pa.string())
    found: dict[str, str] = {}
    for file in features.files:
        if len(found) == len(wanted) or not file.is_parquet:
            break
        with parquet_footer(file.uri, ["id", "uri"]) as parquet:
            if "uri" in parquet.schema_arrow.names:
                table = parquet.read(["id", "uri"])
                rows = table.filter(pc.is_in(table["id"], wanted))
                found |= zip(rows["id"].to_pylist(), rows["uri"].to_pylist(), strict=True)
    return {name: uri for name, uri in found.items() if uri}


def _index_of(file: FeatureFile) -> Iterator[tuple[list[str], LabelLists]]:
    if not file.is_parquet:
        with on_disk(file.uri) as path, as_feature_error():
            for block in read_records(path, file.uri):
                yield block.ids, block.labels
        return
    columns = ["id", "labels"]
    with whole_parquet(file.uri, columns) as parquet:
        for batch in parquet.iter_batches(1 << 16, columns=columns, use_threads=False):
            labels = batch.column("labels")
            if batch.column("id").null_count or labels.null_count or labels.flatten().null_count:
                raise FeatureFileError(f"{file.uri}: ids or labels are missing (null)")
            offsets = labels.offsets.to_numpy().astype(np.int64)
            values = labels.flatten().to_numpy().astype(np.int64)
            yield batch.column("id").to_pylist(), LabelLists(offsets - offsets[0], values)
