"""The label shard: a classifier's labels of videos, and their form as YouTube-8M's submission CSV.

`labels` holds the best classes of a video, the highest score first; equal logits are ordered by their position in the
model. Different logits far from 0 can round to the same probability: their order is kept although their scores are
equal. All rows of a shard are ordered by id, and of one model. Scores are probabilities, calibrated where the model is.

Beside each shard is a ledger of the same name, with the content that each video's features were made from.

n videos, K classes, k best classes of each video.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.cells import COMPUTED, ESCAPED

SCHEMA_VERSION = "1"
LABEL = pa.struct(
    [
        pa.field("index", pa.int32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
    ]
)
LABEL_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("labels", pa.list_(LABEL), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("scored_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
LABEL_LEDGER_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content", pa.string(), nullable=False),
    ]
)
SUBMISSION_HEADER = "VideoId,LabelConfidencePairs"
UNSUBMITTABLE = '[,"\r\n]'  # the submission form has no quotes


@dataclass(frozen=True)
class LabelStamp:
    """Columns that all rows of a run share. `scored_at` is when the run started (UTC)."""

    model: str
    run_id: str
    scored_at: datetime

    def __post_init__(self) -> None:
        """Refuse a time without a zone."""
        if self.scored_at.tzinfo is None:
            raise ValueError(f"scored_at {self.scored_at} must have a time zone")


@dataclass(frozen=True)
class LabelClasses:
    """The K classes of a model: their indices in labels (int32), and their names."""

    indices: NDArray[np.int32]
    names: pa.StringArray


def label_table(
    ids: pa.StringArray,
    places: NDArray[np.intp],
    scores: NDArray[np.float32],
    *,
    classes: LabelClasses,
    threshold: float,
    stamp: LabelStamp,
    metadata: Mapping[str, str],
) -> pa.Table:
    """The labels of n videos as a table, ordered by id, with `metadata` for the file.

    places  (n, k) positions of the best classes among `classes`, the highest score first
    scores  (n, k) float32; those below `threshold` are left out
    """
    order = pc.sort_indices(ids).to_numpy()
    if (order[1:] < order[:-1]).any():
        ids, places, scores = ids.take(pa.array(order)), places[order], scores[order]
    is_label = scores >= threshold
    offsets = np.concatenate([[0], np.cumsum(is_label.sum(axis=1))]).astype(np.int32)
    chosen = places[is_label]
    labels = pa.StructArray.from_arrays(
        [
            pa.array(classes.indices[chosen]),
            classes.names.take(pa.array(chosen)),
            pa.array(scores[is_label]),
        ],
        fields=list(LABEL),
    )
    columns = [
        ids,
        pa.ListArray.from_arrays(pa.array(offsets), labels, type=LABEL_SCHEMA.field("labels").type),
        pa.repeat(pa.scalar(stamp.model), len(ids)),
        pa.repeat(pa.scalar(stamp.run_id), len(ids)),
        pa.repeat(pa.scalar(stamp.scored_at, LABEL_SCHEMA.field("scored_at").type), len(ids)),
    ]
    return pa.Table.from_arrays(columns, schema=LABEL_SCHEMA.with_metadata(dict(metadata)))


def unsubmittable_ids(ids: pa.Array | pa.ChunkedArray) -> list[str]:
    """Ids that hold a comma, a quote or a line's end, which the submission form cannot hold."""
    found: list[str] = ids.filter(pc.match_substring_regex(ids, UNSUBMITTABLE)).to_pylist()
    return found


def submission_lines(ids: pa.StringArray, labels: pa.ListArray) -> bytes:
    """The lines of YouTube-8M's submission CSV: `id,index score index score …`, scores with six decimals.

    Ids that a spreadsheet would compute have an apostrophe in front (`schemas.cells`).

    Raises:
        ValueError: for an id that the form cannot hold.
    """
    wrong = unsubmittable_ids(ids)
    if wrong:
        raise ValueError(f"id {wrong[0]!r} holds a comma, a quote or a line's end: the submission form cannot hold it")
    flat = labels.flatten()
    # A float32 times a million is exact in float64, so that this rounds like the decimal number.
    millionths = np.rint(flat.field("score").to_numpy().astype(np.float64) * 1e6).astype(np.int64)
    digits = pc.utf8_lpad(pa.array(millionths).cast(pa.string()), 7, "0")
    decimals = pc.binary_replace_slice(digits.cast(pa.binary()), 1, 1, b".").cast(pa.string())
    pairs = pc.binary_join_element_wise(flat.field("index").cast(pa.string()), decimals, " ")
    offsets = pc.subtract(labels.offsets, labels.offsets[0])
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, pairs), " ")
    names = pc.replace_substring_regex(ids, COMPUTED, ESCAPED)
    lines = pc.binary_join_element_wise(names, joined, ",")
    one = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    text: str = pc.binary_join(one, "\n")[0].as_py()
    return f"{text}\n".encode() if len(lines) else b""
