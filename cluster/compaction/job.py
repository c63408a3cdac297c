"""The compaction of a feature dataset, from options to an exit code.

For each partition: lease ─► repair of what runs that died have left ─► small files in groups ─► one replacement after
the other ─► index of the ledgers

A run that is stopped, or killed, leaves a dataset with all its rows; the next one goes on with what is still small. A
partition whose lease another run holds is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from cluster.compaction.config import CompactionOptions
from cluster.compaction.groups import SmallFile, groups_of
from cluster.compaction.replacement import Replacement
from cluster.compaction.small_files import DatasetFiles, files_of
from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.folder import DatasetError
from cluster.datasets.partitioning import begun_at
from cluster.datasets.partitions import Partition
from cluster.datasets.settled_rows import SettledPart
from cluster.datasets.shard_sink import MAX_SHARD_BYTES
from cluster.datasets.stored_settings import stored_schema
from cluster.reports.extraction_report import render_run_report
from cluster.runs.lifecycle import ExitCode, bad_input, code_of, guarded, new_run_id
from cluster.runs.logs import shown
from cluster.storage.lease import Lease
from schemas.errors import InputError
from schemas.fingerprint import fingerprint_of

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class CompactionPlan:
    """What a compaction replaces: groups of shards, and of failure files."""

    files: DatasetFiles
    shards: Sequence[Sequence[SmallFile]]
    failures: Sequence[Sequence[SmallFile]]

    def __str__(self) -> str:
        shards = _sentence(self.files.shards, "shards", self.shards)
        return f"{shards}; {_sentence(self.files.failures, 'failure files', self.failures)}"


def run_compaction(options: CompactionOptions) -> ExitCode:
    """Compact a dataset, all of its partitions or one of them."""
    try:
        datasets = opened(options)
        if options.dry_run:
            for dataset in datasets:
                print(shown(f"{_place(dataset)}: {make_plan(dataset, options)}"))
            return ExitCode.DONE
    except InputError as error:
        return bad_input(error)
    code = ExitCode.DONE
    for dataset in datasets:
        code = max(code, _compacted(dataset, options))
        if code == ExitCode.INTERRUPTED:
            break
    return code


def opened(options: CompactionOptions) -> list[FeatureDataset]:
    """The dataset by partitions. Raises `DatasetError` where it cannot be compacted."""
    root, run_id = options.output, new_run_id(datetime.now(UTC))
    schema = stored_schema(root)
    if schema is None or "mean_rgb" not in schema.names:
        raise DatasetError(f"{root} holds no features")
    begun = begun_at(root)
    count = begun.count if begun else 1
    given = options.partition
    partitions = [Partition.parse(given)] if given else [Partition(number + 1, count) for number in range(count)]
    datasets = [
        FeatureDataset(
            root,
            run_id=run_id,
            rgb_dim=schema.field("mean_rgb").type.list_size,
            frame_features="rgb" in schema.names,
            fingerprint=fingerprint_of(schema.metadata),
            partition=partition,
        )
        for partition in partitions
    ]
    for dataset in datasets:
        dataset.check()
    return datasets


def _compacted(dataset: FeatureDataset, options: CompactionOptions) -> ExitCode:
    try:
        with dataset.lease() as lease:
            status = guarded(lambda: compact(dataset, options, lease))
    except InputError as error:
        return bad_input(error)
    return code_of(status, is_too_many=False)


def compact(dataset: FeatureDataset, options: CompactionOptions, lease: Lease) -> None:
    """Compact a dataset with the `lease` of its partition. Raises `InputError` where that fails."""
    dataset.clear()
    plan = make_plan(dataset, options, dataset.repaired)
    dataset.close_records(lease.predecessors, render_run_report)  # by the names of files, which are about to change
    logger.info(f"{_place(dataset)}: {plan}")
    replacement = Replacement(dataset.writer, plan.files.uris)
    with dataset.explained("written to"):
        for group in (*plan.shards, *plan.failures):
            replacement.replace(group)
    dataset.index_ledger()


def make_plan(
    dataset: FeatureDataset,
    options: CompactionOptions,
    repaired: Callable[[SettledPart], SettledPart] = lambda part: part,
) -> CompactionPlan:
    """What is to be replaced, once `repaired` has gone through all parts. Raises `DatasetError`."""
    with closing(dataset.settled_rows(in_parts=None)) as rows, dataset.explained("read"):
        found = files_of(rows, options.below_rows, repaired)
    small = found.small_shards, found.small_failures
    return CompactionPlan(found, *(groups_of(some, options.rows_per_shard, MAX_SHARD_BYTES) for some in small))


def _place(dataset: FeatureDataset) -> str:
    return dataset.place(dataset.partition.folder) if dataset.partition.folder else dataset.root


def _sentence(count: int, what: str, groups: Sequence[Sequence[SmallFile]]) -> str:
    """How many files there are, and how many will take the place of how many."""
    replaced = sum(map(len, groups))
    if not replaced:
        return f"{count:,} {what}, none to join"
    rows = sum(file.rows for group in groups for file in group)
    return f"{count:,} {what}, of which {replaced:,} small ones with {rows:,} rows become {len(groups):,}"
