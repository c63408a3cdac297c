"""The clip shard: decoded clips of videos as JPEG frames, one row per video, plain Arrow types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from schemas.text import storable

CLIP_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("labels", pa.list_(pa.int32()), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("views", pa.int32(), nullable=False),
        pa.field("frames", pa.list_(pa.binary()), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("fps", pa.float32()),
        pa.field("content", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class ClipRow:
    """The clips of one video.

    views          V, clips of the video, each of the same number of frames
    frames         JPEGs, those of the first clip, then those of the second …; of RGB with optical flow, all of RGB,
                   then all of flow
    width, height  of the frames, in pixels
    fps            frames a second; None: all frames of the video
    content        content of the video, as in the ledger: where it differs, the clips are out of date
    split          as in the manifest: train, validation, test or empty
    """

    id: str
    labels: tuple[int, ...]
    split: str
    views: int
    frames: tuple[bytes, ...]
    width: int
    height: int
    fps: float | None
    content: str
    uri: str

    @property
    def size_bytes(self) -> int:
        """Approximate memory of the row."""
        return sum(map(len, self.frames)) + 200


def clip_table(rows: Sequence[ClipRow], metadata: Mapping[str, str]) -> pa.Table:
    """Rows as a table of `CLIP_SCHEMA`, in their order, with `metadata` for the file."""
    columns = {name: [getattr(row, name) for row in rows] for name in CLIP_SCHEMA.names}
    columns["uri"] = [storable(uri) for uri in columns["uri"]]
    arrays = [pa.array(columns[field.name], field.type) for field in CLIP_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=CLIP_SCHEMA.with_metadata(dict(metadata)))
