"""Options of `jobs/compact_features.py`."""

from __future__ import annotations

from dataclasses import dataclass, field

from typing_extensions import override

from cluster.datasets.partitions import is_partition
from cluster.runs.common_options import ReportingOptions
from cluster.runs.option import option
from cluster.runs.options import Options


@dataclass(frozen=True)
class CompactionOptions(Options):
    """One compaction."""

    output: str = option(
        help="folder or URI of the feature dataset, as extraction has written it",
        filled=True,
        is_written=True,
        common=True,
    )
    partition: str | None = option(
        None,
        help="compact one partition of the videos, such as 1/4; by default all of them, one after the other",
        must_be="a number and how many there are, such as 1/4",
        accepts=is_partition,
    )
    dry_run: bool = option(False, help="print what the run would do, and stop", common=True)
    rows_per_shard: int = option(1024, help="videos in one Parquet file, at most", minimum=2, common=True)
    small_rows: int | None = option(
        None, help="files of fewer videos are small; by default half of --rows-per-shard", minimum=2, common=True
    )
    reporting: ReportingOptions = field(default_factory=ReportingOptions)

    @override
    def conflicts(self) -> list[str]:
        if self.small_rows is not None and self.small_rows > self.rows_per_shard:
            return [f"--small-rows must be at most --rows-per-shard, {self.rows_per_shard}, not {self.small_rows}"]
        return []

    @property
    def below_rows(self) -> int:
        """How many rows a file must have not to be small."""
        return -(-self.rows_per_shard // 2) if self.small_rows is None else self.small_rows
