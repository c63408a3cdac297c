"""Rows → shards of about equal size. A crash loses what is not committed yet, and the next run does it again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.runs.lifecycle import internal_error
from schemas.failures import FailureRow
from schemas.features import FeatureRow
from schemas.outcomes import FailureCode, Stage

MAX_SHARD_BYTES = 256 << 20
LARGE_ROW_BYTES = 64 << 20


@dataclass
class Batch:
    """Rows and failures of the run's next commit, `number`."""

    number: int
    rows: list[tuple[FeatureRow, str]] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)
    size_bytes: int = 0


class Sink:
    """Collects rows and failures, and commits them to the dataset when there are enough.

    had_failed     ids that failed in earlier runs; `failure_files` says where, as far as that is known

    The next call repeats a commit that was interrupted, under the same number, so that no row is stored twice.
    """

    def __init__(
        self,
        dataset: FeatureDataset,
        rows_per_shard: int,
        had_failed: Collection[str],
        failure_files: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._dataset = dataset
        self._rows_per_shard = rows_per_shard
        self._had_failed, self._failure_files = had_failed, failure_files
        self._batch = Batch(0)

    def checked(self, row: FeatureRow, content: str) -> FeatureRow | FailureRow:
        """A row that can be stored, or else the failure of its video: it must not cost the others of its commit."""
        try:
            self._dataset.check_row(row)
        except Exception:
            code, message = FailureCode.INTERNAL, internal_error()
            return FailureRow(row.id, row.uri, Stage.WRITE, code, message, 1, self._dataset.run_id, content)
        return row

    def add_row(self, row: FeatureRow, content: str) -> None:
        """Take a finished video. One with many codes gets a shard of its own (`cluster.storage.long_lists`)."""
        is_large = row.size_bytes >= LARGE_ROW_BYTES
        if is_large:
            self.commit()
        batch = self._batch
        batch.rows.append((row, content))
        batch.size_bytes += row.size_bytes
        if is_large or len(batch.rows) >= self._rows_per_shard or batch.size_bytes >= MAX_SHARD_BYTES:
            self.commit()

    def add_failure(self, failure: FailureRow) -> None:
        """Take a failed one."""
        self._batch.failures.append(failure)
        if len(self._batch.failures) >= self._rows_per_shard:
            self.commit()

    def commit(self) -> None:
        """Make everything collected so far part of the dataset."""
        batch = self._batch
        if batch.rows or batch.failures:
            self._dataset.commit(batch.number, batch.rows, batch.failures, self._had_failed, self._failure_files)
        self._batch = Batch(batch.number + 1)  # one assignment, so that no signal can interrupt it
