"""Small feature shards with known values, written the way extraction writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage.parquet import encode_table
from schemas.codes import Codes
from schemas.features import AUDIO_DIM, FeatureRow, feature_schema, feature_table

DIM = 16
FINGERPRINT = {"source": "test"}


def feature_row(number: int, *, frames: int = 0, dim: int = DIM, labels: Sequence[int] | None = None) -> FeatureRow:
    """A video whose features say which it is: `mean_rgb[0]` is its number."""
    rng = np.random.default_rng(number)
    mean = rng.standard_normal(dim, dtype=np.float32)
    mean[0] = number
    return FeatureRow(
        id=f"v{number:05d}",
        labels=tuple(labels if labels is not None else [number % 3]),
        mean_rgb=mean,
        mean_audio=rng.standard_normal(AUDIO_DIM, dtype=np.float32),
        has_audio=number % 2 == 0,
        num_frames=frames or 7,
        duration_seconds=(frames or 7) + 0.5,
        uri=f"in/{number}.mp4",
        coverage=0.5,
        gaps=((0.5, 1.5),) * (number % 2),
        rgb=Codes.of(rng.integers(0, 256, (frames, dim), np.uint8)) if frames else None,
        audio=Codes.of(rng.integers(0, 256, (frames, AUDIO_DIM), np.uint8)) if frames else None,
    )


def write_shard(
    path: Path,
    rows: Sequence[FeatureRow],
    fingerprint: Mapping[str, str] = FINGERPRINT,
    row_group_size: int = 1 << 20,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write rows to one shard."""
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = feature_schema(len(rows[0].mean_rgb), frame_features=rows[0].rgb is not None)
    metadata = {"framemill.fingerprint": json.dumps(dict(fingerprint)), **(metadata or {})}
    table = pq.read_table(pa.BufferReader(encode_table(feature_table(rows, schema, metadata))))
    pq.write_table(table, path, compression="zstd", row_group_size=row_group_size)
    return path


def some_rows(folder: Path, count: int = 5, **options: Any) -> Path:
    """A shard of the first `count` videos in `folder`."""
    return write_shard(folder / "part.parquet", [feature_row(number, **options) for number in range(count)])


def replace_column(path: Path, name: str, column: pa.Array | None) -> None:
    """Put another column in a shard, or take one out."""
    table = pq.read_table(path)
    position = table.schema.get_field_index(name)
    table = table.remove_column(position)
    if column is not None:
        table = table.add_column(position, name, column)
    pq.write_table(table, path)
