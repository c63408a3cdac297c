"""The feature shard: one row per video, YouTube-8M's columns, plain Arrow types.

`rgb` and `audio` hold one 8-bit code vector for each grid point (`schemas.quantization`); a shard has both or neither.
Pandas, DuckDB, Spark and BigQuery read the files by themselves. That is why a code vector is `large_binary` and not
`fixed_size_binary`: pandas (3.1 on pyarrow 25) refuses lists of the latter. Up to version 3 it was `binary`, with
offsets of 32 bits: 2 GiB of codes in a row, 19.4 hours at 30 frames a second. In the files the two are the same, and
readers take both, also within one dataset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.codes import Codes, code_lists
from schemas.text import storable

SCHEMA_VERSION = "4"
AUDIO_DIM = 128
CODE_COLUMNS = ("rgb", "audio")
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
    rgb, audio        codes of `num_frames` grid points, D and 128 wide, or None when only the means are kept
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
    rgb: Codes | None = None
    audio: Codes | None = None

    @property
    def size_bytes(self) -> int:
        """Approximate memory of the row where it is read."""
        codes = 0 if self.rgb is None or self.audio is None else self.rgb.size_bytes + self.audio.size_bytes
        return self.mean_rgb.nbytes + self.mean_audio.nbytes + codes + 200


def feature_schema(rgb_dim: int, *, frame_features: bool) -> pa.Schema:
    """The schema of a shard whose picture features are `rgb_dim` wide (1024, or 2048 without PCA).

    Columns that may be null are newer than the first shards, which lack them.
    """
    codes = [pa.field(name, pa.list_(pa.large_binary()), nullable=False) for name in CODE_COLUMNS]
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


def with_wide_codes(schema: pa.Schema) -> pa.Schema:
    """The schema of a shard of any version with the present type of codes."""
    for place, field in enumerate(schema):
        if field.name in CODE_COLUMNS:
            schema = schema.set(place, field.with_type(pa.list_(pa.large_binary())))
    return schema


def feature_table(rows: Sequence[FeatureRow], schema: pa.Schema, metadata: Mapping[str, str]) -> pa.Table:
    """Rows as a table of `schema`, ordered by id, with `metadata` for the file.

    Codes are not copied: their columns are views of them, which `cluster.storage.parquet` stores as `schema` says.
    """
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
        columns |= {name: code_lists([_codes(row, name) for row in ordered]) for name in CODE_COLUMNS}
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for field, column in ((field, columns[field.name]) for field in schema)
    ]
    fields = [
        field.with_type(array.type) if field.name in CODE_COLUMNS else field
        for field, array in zip(schema, arrays, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, dict(metadata)))


def _vectors(vectors: Sequence[NDArray[np.float32]]) -> pa.FixedSizeListArray:
    matrix = np.stack(vectors)
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def _codes(row: FeatureRow, name: str) -> Codes:
    codes: Codes | None = getattr(row, name)
    assert codes is not None, "rows with and without frame-level features in one shard"
    expected = row.num_frames, len(getattr(row, f"mean_{name}"))
    if (len(codes), codes.dim) != expected:
        raise ValueError(f"{row.id!r}: {len(codes)} codes in {name} of {codes.dim} bytes, expected {expected}")
    return codes
