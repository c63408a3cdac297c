from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.datasets.annotations import GIVEN
from cluster.datasets.late_annotations import LateAnnotations
from cluster.datasets.partitions import PARTS, hashes_of
from cluster.datasets.video_stream import WholeVideos
from cluster.datasets.vocabulary import Vocabulary
from schemas.videos import Video
from tests.support.nightly_writers import failure, feature_dataset, feature_row

NAMES = [f"v{number}" for number in range(12)]
VOCABULARY = Vocabulary(["cat", "dog"])


@pytest.fixture
def output(tmp_path: Path) -> str:
    """Ten rows in five shards, and a failure."""
    dataset = feature_dataset(str(tmp_path / "out"), "r1")
    for number in range(5):
        rows = [(feature_row(Video(name, "x"), "r1"), "v") for name in NAMES[2 * number : 2 * number + 2]]
        dataset.commit(number, rows, [failure(Video(NAMES[10], "x"), "r1")] if number == 0 else [], ())
    return str(tmp_path / "out")


def annotated(output: str, table: pa.Table, *, labels: bool, splits: bool) -> tuple[int, dict[str, tuple[object, str]]]:
    """How many rows held something else; and what all hold afterwards."""
    dataset = feature_dataset(output, "r2")
    stream = WholeVideos(())
    stream.has_labels, stream.has_splits = labels, splits
    with dataset.lease(), closing(dataset.settled_rows(in_parts=True)) as rows:
        late = LateAnnotations(rows.files)
        with closing(late):
            numbers = hashes_of(table["id"].to_pylist()) % PARTS
            for number in range(PARTS):
                late.add(rows.part(number), table.filter(pa.array(numbers == number)))
            count = dataset.annotate_parts(late.parts(stream, VOCABULARY))
    found = [pa.parquet.read_table(file) for file in sorted(Path(output, "features").iterdir())]
    held = pa.concat_tables(found).select(["id", "labels", "split"]).to_pylist()
    return count, {row["id"]: (row["labels"], row["split"]) for row in held}


def test_rows_get_what_their_videos_say_once_all_is_known(output: str) -> None:
    labels = [[1] if number == 3 else None for number in range(12)]
    names = [["dog", "cat"] if number == 4 else None for number in range(12)]
    splits = ["test" if number == 4 else None for number in range(12)]
    table = pa.table([NAMES, labels, names, splits], schema=GIVEN)
    before = annotated(output, table, labels=False, splits=False)
    assert before[0] == 0
    kept = before[1]["v4"][1]
    count, held = annotated(output, table, labels=True, splits=False)
    assert held == {
        name: ([1] if name == "v3" else [1, 0] if name == "v4" else [], before[1][name][1]) for name in NAMES[:10]
    }
    assert annotated(output, table, labels=True, splits=False) == (0, held)
    assert count == sum(held[name] != before[1][name] for name in held)
    _, held = annotated(output, table, labels=False, splits=True)
    assert (held["v4"], held["v3"]) == (([1, 0], "test"), ([1], "")), f"its split was {kept!r}"


def test_a_shard_that_is_gone_by_then_is_left_out(output: str) -> None:
    dataset = feature_dataset(output, "r2")
    stream = WholeVideos(())
    stream.has_splits = True
    with dataset.lease(), closing(dataset.settled_rows(in_parts=True)) as rows:
        late = LateAnnotations(rows.files)
        with closing(late):
            table = pa.table([NAMES, *[[None] * 12] * 2, ["test"] * 12], schema=GIVEN)
            numbers = hashes_of(NAMES) % PARTS
            for number in range(PARTS):
                late.add(rows.part(number), table.filter(pa.array(numbers == number)))
            dataset.withdraw(NAMES[:2])
            assert dataset.annotate_parts(late.parts(stream, VOCABULARY)) == 8
