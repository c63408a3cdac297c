"""Which files of a dataset are small, by their ledgers and footers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from cluster.compaction import small_files
from cluster.compaction.small_files import DatasetFiles, files_of
from cluster.datasets.feature_dataset import FeatureDataset
from schemas.features import AUDIO_DIM
from tests.support.features import DIM, feature_row
from tests.support.shards import commit_nights, content_of, shard_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> FeatureDataset:
    """Shards of one to four rows of four to six frames, and one failure."""
    made = shard_dataset(tmp_path, "r1", has_frames=True)
    for number, count in enumerate((1, 2, 3, 4)):
        rows = [feature_row(10 * number + each, frames=4 + each % 3) for each in range(count)]
        made.commit(number, [(row, content_of(row)) for row in rows], [], ())
    commit_nights(shard_dataset(tmp_path, "r2", has_frames=True), range(62, 63), frames=3)
    return made


def found(dataset: FeatureDataset, below_rows: int) -> DatasetFiles:
    with closing(dataset.settled_rows()) as rows:
        return files_of(rows, below_rows)


def test_files_of_fewer_rows_are_small(dataset: FeatureDataset) -> None:
    small = found(dataset, 3)
    assert (small.shards, small.failures, len(small.uris)) == (4, 1, 5)
    assert [(file.name, file.rows) for file in small.small_shards] == [
        ("part-r1-00000.parquet", 1),
        ("part-r1-00001.parquet", 2),
    ]
    assert [file.ledger for file in small.small_shards] == [
        file.uri.replace("/features/", "/ledger/") for file in small.small_shards
    ]
    (failures,) = small.small_failures
    assert (failures.name, failures.ledger, failures.rows) == ("part-r2-00000.parquet", None, 1)
    assert len({file.kind for file in found(dataset, 10).small_shards}) == 1


def test_the_size_of_a_shard_counts_its_codes(dataset: FeatureDataset) -> None:
    sizes = [file.size_bytes for file in found(dataset, 10).small_shards]
    codes = [frames * (DIM + AUDIO_DIM) for frames in (4, 4 + 5, 4 + 5 + 6, 4 + 5 + 6 + 4)]
    assert all(code < size < 3 * code + 8000 for code, size in zip(codes, sizes, strict=True))
    assert sizes == sorted(sizes)


def test_shards_of_large_rows_are_not_small(dataset: FeatureDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [file.size_bytes for file in found(dataset, 10).small_shards]
    monkeypatch.setattr(small_files, "LARGE_ROW_BYTES", sizes[2])
    assert [file.size_bytes for file in found(dataset, 10).small_shards] == sizes[:2]


def test_each_part_is_repaired_before_it_counts(dataset: FeatureDataset) -> None:
    with closing(dataset.settled_rows()) as rows:
        one = files_of(rows, 10, lambda part: part.without({file.shard or "": {"v00000"} for file in rows.files}))
    assert [file.name for file in one.small_shards] == [f"part-r1-{number:05d}.parquet" for number in (1, 2, 3)]
