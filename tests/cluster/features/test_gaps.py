"""Gaps come as they were written; what is none is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.features.blocks import read_blocks
from cluster.features.files import FeatureFileError, open_features
from cluster.features.gaps import gaps_of_column, gaps_of_records
from cluster.features.tfrecord_conversion import ConversionOptions, convert
from schemas.features import GAP
from tests.support.features import feature_row, replace_column, write_shard


@pytest.mark.parametrize("level", ["video", "frame"])
def test_shards_and_the_records_made_of_them_tell_the_same_gaps(level: str, tmp_path: Path) -> None:
    rows = [feature_row(number, frames=3) for number in range(4)]
    shard = write_shard(tmp_path / "features" / "a.parquet", rows)
    convert(ConversionOptions.of(input=str(shard), output=str(tmp_path / "records"), to="tfrecord"))
    for path in (shard, tmp_path / "records"):
        (file,) = open_features([str(path)]).files
        (block,) = read_blocks(file, level, [0], with_gaps=True)
        assert [tuple(gaps) for gaps in block.gaps] == [row.gaps for row in rows]
        (block,) = read_blocks(file, level, [0])
        assert not block.gaps


def test_shards_of_the_first_versions_know_of_no_gaps(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "a.parquet", [feature_row(1, frames=3)])
    replace_column(shard, "gaps", None)
    (block,) = read_blocks(open_features([str(shard)]).files[0], "frame", [0], with_gaps=True)
    assert not block.gaps
    assert len(block.rgb) == 3


def test_what_is_no_gap_is_refused() -> None:
    for column, message in (
        (pa.array([["1-2"]]), r"a\.parquet: column gaps is list<.*: string> with values that are no gaps"),
        (pa.array([None], pa.list_(GAP)), "values that are no gaps"),
        (pa.array([[{"start_seconds": None, "end_seconds": 2.0}]]), "no pairs of seconds"),
        (pa.array([[{"start_seconds": 0.0, "end_seconds": float("inf")}]]), "from 0 to inf s, which are no times"),
        (pa.array([[{"start_seconds": float("nan"), "end_seconds": 1.0}]]), "no times"),
    ):
        with pytest.raises(FeatureFileError, match=message):
            gaps_of_column(column, "a.parquet")
    for extra, message in (
        ("{", "framemill/video cannot be read"),
        ("[]", "framemill/video cannot be read"),
        (json.dumps({}), "framemill/video cannot be read"),
        (json.dumps({"gaps": [[1]]}), "no pairs of seconds"),
        (json.dumps({"gaps": [[1, 1e300]]}), "no times"),
    ):
        with pytest.raises(FeatureFileError, match=message):
            gaps_of_records([extra], "a.tfrecord")
    assert gaps_of_records(["", json.dumps({"gaps": [[1, 2.5]]})], "a.tfrecord") == [[], [(1.0, 2.5)]]
