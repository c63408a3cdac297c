"""Rows → shards of about equal size. What is not committed yet is lost in a crash, and done again by the next run."""

from __future__ import annotations

from collections.abc import Collection

from cluster.dataset import FeatureDataset
from schemas.failures import FailureRow
from schemas.features import FeatureRow

MAX_SHARD_BYTES = 256 << 20


class Sink:
    """Collects rows and failures, and commits them to the dataset when there are enough."""

    def __init__(self, dataset: FeatureDataset, rows_per_shard: int, had_failed: Collection[str]) -> None:
        self._dataset = dataset
        self._rows_per_shard = rows_per_shard
        self._had_failed = had_failed
        self._rows: list[tuple[FeatureRow, str]] = []
        self._failures: list[FailureRow] = []
        self._size_bytes = 0

    def add_row(self, row: FeatureRow, version: str) -> None:
        """Take a finished video."""
        self._rows.append((row, version))
        self._size_bytes += row.size_bytes
        if len(self._rows) >= self._rows_per_shard or self._size_bytes >= MAX_SHARD_BYTES:
            self.commit()

    def add_failure(self, failure: FailureRow) -> None:
        """Take a failed one."""
        self._failures.append(failure)
        if len(self._failures) >= self._rows_per_shard:
            self.commit()

    def commit(self) -> None:
        """Make everything collected so far part of the dataset."""
        if self._rows or self._failures:
            self._dataset.commit(self._rows, self._failures, self._had_failed)
        self._rows, self._failures, self._size_bytes = [], [], 0
