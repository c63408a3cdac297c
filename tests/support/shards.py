"""Feature datasets of many small shards, as nights of few new videos leave them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.partitions import WHOLE, Partition, hashes_of
from schemas.failures import FailureRow
from schemas.features import FeatureRow
from tests.support.features import DIM, FINGERPRINT, feature_row

FAILING = 7  # every seventh video fails


def shard_dataset(
    root: Path | str,
    run_id: str,
    *,
    partition: Partition = WHOLE,
    has_frames: bool = False,
    revision: str = "1",
    note: str = "",
) -> FeatureDataset:
    """The dataset at `root`."""
    return FeatureDataset(
        str(root),
        run_id=run_id,
        rgb_dim=DIM,
        frame_features=has_frames,
        fingerprint=FINGERPRINT,
        partition=partition,
        revision=revision,
        note=note,
    )


def commit_nights(dataset: FeatureDataset, numbers: Sequence[int], *, frames: int = 0, rows_per_night: int = 2) -> None:
    """Commit the videos of these numbers that the dataset's partition holds, few at a time."""
    rows = [feature_row(number, frames=frames + number % 3 if frames else 0) for number in numbers]
    held = dataset.partition.holds(hashes_of(row.id for row in rows)).tolist()
    rows = [row for row, is_held in zip(rows, held, strict=True) if is_held]
    for first in range(0, len(rows), rows_per_night):
        night = rows[first : first + rows_per_night]
        done = [(row, content_of(row)) for row in night if not is_failing(row)]
        failures = [
            FailureRow(row.id, row.uri, "read", "storage", "no", 1, dataset.run_id, content_of(row))
            for row in night
            if is_failing(row)
        ]
        dataset.commit(first, done, failures, ())


def is_failing(row: FeatureRow) -> bool:
    """Whether a video fails."""
    return int(row.id[1:]) % FAILING == FAILING - 1


def content_of(row: FeatureRow) -> str:
    """What a row was made from."""
    return f"etag:{row.id}"
