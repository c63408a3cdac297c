"""Feature datasets as tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
import pyarrow as pa

from cluster.datasets.vocabulary import VOCABULARY_FILE, read_class_names
from cluster.features.blocks import codes_of_column
from cluster.features.files import FRAME, FeatureFile, open_features, whole_parquet
from cluster.storage import files
from schemas.errors import InputError
from schemas.features import CODE_COLUMNS
from schemas.quantization import dequantize

if TYPE_CHECKING:
    import pandas as pd

    from framemill.inputs import Place

FINGERPRINT, CLASSES = "framemill.fingerprint", "framemill.classes"  # keys of `DataFrame.attrs`


@overload
def read(
    features: Place | Iterable[Place],
    *,
    frames: bool = False,
    columns: Sequence[str] | None = None,
    form: Literal["pandas"] = "pandas",
) -> pd.DataFrame: ...
@overload
def read(
    features: Place | Iterable[Place],
    *,
    frames: bool = False,
    columns: Sequence[str] | None = None,
    form: Literal["arrow"],
) -> pa.Table: ...
def read(
    features: Place | Iterable[Place],
    *,
    frames: bool = False,
    columns: Sequence[str] | None = None,
    form: str = "pandas",
) -> pd.DataFrame | pa.Table:
    """The rows of a feature dataset, one for each video.

    Args:
        features: A dataset, folder, glob or `.parquet` file, or several, on disk or in a bucket, with the same
            fingerprint.
        frames: Whether to have `rgb` (T, 1024) and `audio` (T, 128), the features of each of the T sampled frames,
            decoded from their 8-bit codes to float32. It takes 4.6 KB a frame.
        columns: Only these, in this order; None for all. README.md lists them.
        form: `pandas` for a DataFrame, in which `mean_rgb` and others are float32 arrays, or `arrow` for a table.

    Returns:
        The rows, ordered by file. `DataFrame.attrs`, or the metadata of an Arrow table, keeps the fingerprint; the
        former also the names of the classes that `labels` are indices of (`framemill.classes`).

    Raises:
        InputError: If there are no shards, they do not match, or they cannot be read.

    Example:
        >>> import framemill
        >>> table = framemill.read(features)
        >>> table.mean_rgb[0].shape, table.num_frames[0]
        ((1024,), np.int32(2))
        >>> framemill.read(features, frames=True).rgb[0].shape
        (2, 1024)
    """
    given = [features] if isinstance(features, str | os.PathLike) else list(features)
    found = open_features([os.fspath(place) for place in given])
    if any(not file.is_parquet for file in found.files):
        raise InputError("these are .tfrecord files: framemill convert makes feature shards of them")
    if frames and FRAME not in found.levels:
        raise InputError("these shards hold means alone: extract with frame_features=True to have those of each frame")
    tables = [_rows(file, frames, columns) for file in found.files]
    table = pa.concat_tables(tables, promote_options="default")  # the oldest shards lack some columns
    if form == "arrow":
        return table
    frame = table.to_pandas(ignore_metadata=True)
    for name in set(CODE_COLUMNS) & set(frame.columns):
        frame[name] = [np.stack(rows) for rows in frame[name]]
    frame.attrs[FINGERPRINT] = dict(found.fingerprint)
    frame.attrs[CLASSES] = _classes(given)
    return frame


def _classes(given: Sequence[Place]) -> tuple[str, ...]:
    """The names of classes 0, 1, 2, … in the vocabulary of the first dataset, if it has one."""
    uri = files.join(os.fspath(given[0]), VOCABULARY_FILE)
    try:
        return read_class_names(uri)
    except (FileNotFoundError, NotADirectoryError):
        return ()


def _rows(file: FeatureFile, frames: bool, columns: Sequence[str] | None) -> pa.Table:
    """The rows of one shard."""
    with whole_parquet(file.uri, columns) as parquet:
        there = parquet.schema_arrow.names
        names = [name for name in there if frames or name not in CODE_COLUMNS]
        unknown = sorted(set(columns or ()) - set(there))
        if unknown:
            raise InputError(f"{file.uri} has no column {', '.join(unknown)}; it has {', '.join(names)}")
        unread = sorted(set(columns or ()) - set(names))
        if unread:
            raise InputError(f"{', '.join(unread)} of each frame: framemill.read(…, frames=True) has them")
        table = parquet.read(list(columns) if columns is not None else names)
    for name, width in zip(CODE_COLUMNS, (file.rgb_dim, file.audio_dim), strict=True):
        if name in table.column_names:
            decoded = _decoded(table[name].combine_chunks(), width, name, file)
            table = table.set_column(table.column_names.index(name), name, decoded)
    return table


def _decoded(column: pa.ListArray, width: int, name: str, file: FeatureFile) -> pa.ListArray:
    """Codes of the frames of each video as features, `list<fixed_size_list<float>[width]>`."""
    codes, offsets = codes_of_column(column, width, name, file.uri)
    values = pa.array(dequantize(codes, file.code_range).reshape(-1))
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.FixedSizeListArray.from_arrays(values, width))
