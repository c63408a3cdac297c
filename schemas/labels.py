"""The label shard: what a classifier says of each video, and the same as YouTube-8M's submission CSV.

`labels` holds the best classes of a video, the surest first; classes of equal score stand by their index. All rows of
a shard are ordered by id. Scores are probabilities as the model (and its calibration) gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

SCHEMA_VERSION = "1"
LABEL = pa.struct(
    [
        pa.field("index", pa.int32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
    ]
)
SUBMISSION_HEADER = "VideoId,LabelConfidencePairs"


@dataclass(frozen=True, slots=True)
class Label:
    """A class that a video is said to belong to, with its probability."""

    index: int
    name: str
    score: float


@dataclass(frozen=True, slots=True)
class LabelRow:
    """The labels of one video. `scored_at` is when its shard was begun, the same in all rows of a run (UTC)."""

    id: str
    labels: tuple[Label, ...]
    model: str
    run_id: str
    scored_at: datetime

    def __post_init__(self) -> None:
        """Refuse labels that are not in their order, and a time without a zone."""
        order = [(-label.score, label.index) for label in self.labels]
        if order != sorted(order):
            raise ValueError(f"labels of {self.id!r} must be ordered by score, the highest first, then by index")
        if self.scored_at.tzinfo is None:
            raise ValueError(f"scored_at {self.scored_at} of {self.id!r} must have a time zone")


def label_schema() -> pa.Schema:
    """The one schema of label shards."""
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("labels", pa.list_(LABEL), nullable=False),
            pa.field("model", pa.string(), nullable=False),
            pa.field("run_id", pa.string(), nullable=False),
            pa.field("scored_at", pa.timestamp("us", tz="UTC"), nullable=False),
        ]
    )


def label_table(rows: Sequence[LabelRow], metadata: Mapping[str, str]) -> pa.Table:
    """Rows as a table, ordered by id, with `metadata` for the file."""
    ordered = sorted(rows, key=lambda row: row.id)
    columns = {
        "id": [row.id for row in ordered],
        "labels": [
            [{"index": label.index, "name": label.name, "score": label.score} for label in row.labels]
            for row in ordered
        ],
        "model": [row.model for row in ordered],
        "run_id": [row.run_id for row in ordered],
        "scored_at": [row.scored_at for row in ordered],
    }
    return pa.Table.from_pydict(columns, schema=label_schema().with_metadata(dict(metadata)))


def submission_line(video_id: str, indices: Sequence[int], scores: Sequence[float]) -> str:
    """One line of YouTube-8M's submission CSV, without its end: `id,index score index score …`.

    The form has no quotes: an id that holds a comma, a quote or a line's end cannot be submitted.
    """
    if any(sign in video_id for sign in ',"\r\n'):
        raise ValueError(f"id {video_id!r} holds a comma, a quote or a line's end: the submission form cannot hold it")
    if len(indices) != len(scores):
        raise ValueError(f"{len(indices)} classes but {len(scores)} scores for {video_id!r}")
    pairs = " ".join(f"{index} {score:.6f}" for index, score in zip(indices, scores, strict=True))
    return f"{video_id},{pairs}"
