"""The feature shard: one row per video, YouTube-8M's columns, plain Arrow types.

`rgb` and `audio` hold one 8-bit code vector for each grid point (`schemas.quantization`); a shard has both or neither.
Pandas, DuckDB, Spark and BigQuery read the files by themselves. That is why a code vector is `binary` and not
`fixed_size_binary`: pandas (3.1 on pyarrow 25) refuses lists of the latter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.text import storable

SCHEMA_VERSION = "3"
AUDIO_DIM = 128
GAP = pa.struct(
    [
        pa.field("start_seconds", pa.float32(), nullable=False),
        pa.field("end_seconds", pa.float32(), nullable=False),
    ]
)


@dataclass(frozen=True)
class FeatureRow:
    """The features of one video.

    mean_rgb          (D,) float32, mean over the grid points, before quantisation
    mean_audio        (128,) float32; zeros where there is no sound track
    num_frames        sampled grid points
    duration_seconds  of the interval of the video that was asked for, gaps included
    coverage          num_frames / grid points of the whole file; 1 where nothing is missing
    gaps              intervals of missing grid points, (start, end) in seconds after the first frame. The k-th code
                      belongs to the k-th grid point outside of them. Losses before the first frame have negative
                      times
    split             as in the manifest: train, validation, test or empty
    tracks            what was taken of the file, and what was assumed, where it leaves a choice or a doubt:
                      `video 0 of 0, 3; audio 2 of 1, 2; file 1 of 2; 25 frames/s assumed`
    rgb, audio        (num_frames, D) and (num_frames, 128) uint8 codes, or None when only the means are kept
    """

    id: str
    labels: tuple[int, ...]
    mean_rgb: NDArray[np.float32]
    mean_audio: NDArray[np.float32]
    has_audio: bool
    num_frames: int
    duration_seconds: float
    uri: str
    coverage: float = 1.0
    gaps: tuple[tuple[float, float], ...] = ()
    split: str = ""
    tracks: str | None = None
    rgb: NDArray[np.uint8] | None = None
    audio: NDArray[np.uint8] | None = None

    @property
    def size_bytes(self) -> int:
        """Approximate memory of the row."""
        codes = 0 if self.rgb is None or self.audio is None else self.rgb.nbytes + self.audio.nbytes
        return self.mean_rgb.nbytes + self.mean_audio.nbytes + codes + 200


def feature_schema(rgb_dim: int, *, frame_features: bool) -> pa.Schema:
    """The schema of a shard whose picture features are `rgb_dim` wide (1024, or 2048 without PCA).

    Columns that may be null are newer than the first shards, which lack them.
    """
    codes = [
        pa.field("rgb", pa.list_(pa.binary()), nullable=False),
        pa.field("audio", pa.list_(pa.binary()), nullable=False),
    ]
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("labels", pa.list_(pa.int32()), nullable=False),
            pa.field("mean_rgb", pa.list_(pa.float32(), rgb_dim), nullable=False),
            pa.field("mean_audio", pa.list_(pa.float32(), AUDIO_DIM), nullable=False),
            pa.field("has_audio", pa.bool_(), nullable=False),
            pa.field("num_frames", pa.int32(), nullable=False),
            pa.field("duration_seconds", pa.float32(), nullable=False),
            pa.field("coverage", pa.float32(), nullable=False),
            pa.field("gaps", pa.list_(GAP), nullable=False),
            pa.field("split", pa.string(), nullable=False),
            pa.field("tracks", pa.string()),
            *(codes if frame_features else []),
            pa.field("uri", pa.string(), nullable=False),
        ]
    )


def feature_table(rows: Sequence[FeatureRow], schema: pa.Schema, metadata: Mapping[str, str]) -> pa.Table:
    """Rows as a table of `schema`, ordered by id, with `metadata` for the file."""
    ordered = sorted(rows, key=lambda row: row.id)
    columns = {
        "id": [row.id for row in ordered],
        "labels": [list(row.labels) for row in ordered],
        "mean_rgb": _vectors([row.mean_rgb for row in ordered]),
        "mean_audio": _vectors([row.mean_audio for row in ordered]),
        "has_audio": [row.has_audio for row in ordered],
        "num_frames": [row.num_frames for row in ordered],
        "duration_seconds": [row.duration_seconds for row in ordered],
        "coverage": [row.coverage for row in ordered],
        "gaps": [[{"start_seconds": start, "end_seconds": end} for start, end in row.gaps] for row in ordered],
        "split": [row.split for row in ordered],
        "tracks": [row.tracks for row in ordered],
        "uri": [storable(row.uri) for row in ordered],
    }
    if "rgb" in schema.names:
        columns["rgb"] = _codes([row.rgb for row in ordered])
        columns["audio"] = _codes([row.audio for row in ordered])
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for field, column in ((field, columns[field.name]) for field in schema)
    ]
    return pa.Table.from_arrays(arrays, schema=schema.with_metadata(dict(metadata)))


def _vectors(vectors: Sequence[NDArray[np.float32]]) -> pa.FixedSizeListArray:
    matrix = np.stack(vectors)
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def _codes(codes: Sequence[NDArray[np.uint8] | None]) -> pa.ListArray:
    present = [matrix for matrix in codes if matrix is not None]
    assert len(present) == len(codes), "rows with and without frame-level features in one shard"
    joined = np.ascontiguousarray(np.concatenate(present))  # (all grid points, D)
    count, dim = joined.shape
    starts = np.arange(count + 1, dtype=np.int32) * dim
    values = pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(starts), pa.py_buffer(joined)])
    offsets = np.concatenate([[0], np.cumsum([len(matrix) for matrix in present])]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values)
