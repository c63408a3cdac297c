"""Labels and splits of a dataset follow the manifest, and names of classes keep their indices."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pandas
import pyarrow.parquet as pq
import pytest

from cluster.storage.lease import LeaseError
from schemas.features import FeatureRow
from schemas.videos import Video
from tests.support.features import feature_row
from tests.support.shards import shard_dataset


def done(name: str) -> tuple[FeatureRow, str]:
    return replace(feature_row(1, labels=()), id=name), "v1"


def manifest(**labels: tuple[str, ...]) -> list[Video]:
    return [Video(name, f"in/{name}.mp4", its, "train" if its else "") for name, its in labels.items()]


def labelled(root: Path) -> dict[str, tuple[list[int], str]]:
    tables = [pq.read_table(shard) for shard in (root / "features").iterdir()]
    return {row["id"]: (row["labels"], row["split"]) for table in tables for row in table.to_pylist()}


def test_class_names_keep_their_indices(tmp_path):
    dataset = shard_dataset(tmp_path, "r1")
    assert dataset.name_classes(manifest(a=("dog", "cat"))).names == ["cat", "dog"]
    before = (tmp_path / "vocabulary.csv").read_text()
    assert before == '"index","name"\n0,"cat"\n1,"dog"\n'
    assert dataset.name_classes(manifest(a=("dog",), b=())).names == ["cat", "dog"]
    assert (tmp_path / "vocabulary.csv").read_text() == before
    # Names that another run has added since this dataset was opened count too.
    assert shard_dataset(tmp_path, "r2").name_classes(manifest(a=("ant",))).names == ["cat", "dog", "ant"]
    assert dataset.name_classes(manifest(a=("bee",))).names == ["cat", "dog", "ant", "bee"]


def test_rows_follow_the_labels_and_splits_of_the_manifest(tmp_path, caplog):
    dataset = shard_dataset(tmp_path, "r1")
    dataset.commit(0, [done("a"), done("b")], [], ())
    dataset.commit(1, [done("c"), done("d")], [], ())
    name = "part-r1-00001.parquet"
    untouched = (tmp_path / "features" / name).stat().st_mtime_ns
    videos = manifest(a=("dog",), b=(), e=("cat",))
    assert dataset.outdated(videos) == {str(tmp_path / "features" / "part-r1-00000.parquet"): ["a"]}
    assert labelled(tmp_path)["a"] == ([], ""), "reading writes nothing"
    assert not (tmp_path / "vocabulary.csv").exists()
    dataset.name_classes(videos)
    assert dataset.annotate(videos) == 1
    assert labelled(tmp_path) == {"a": ([1], "train"), "b": ([], ""), "c": ([], ""), "d": ([], "")}
    assert (tmp_path / "features" / name).stat().st_mtime_ns == untouched
    assert (dataset.annotate(videos), dataset.outdated(videos)) == (0, {})
    with caplog.at_level(logging.INFO, "framemill"):
        assert dataset.annotate(manifest(a=(), b=("cat",))) == 2
    assert labelled(tmp_path)["a"] == ([], "")
    said = "2 settled videos got the labels and splits of the manifest; 1 of them without a label now"
    assert said in caplog.text


def test_a_manifest_without_labels_takes_none_away(tmp_path):
    dataset = shard_dataset(tmp_path, "r1")
    dataset.commit(0, [(replace(done("a")[0], labels=(3,), split="test"), "v1")], [], ())
    assert dataset.annotate([Video("a", "in/a.mp4")]) == 0
    assert dataset.annotate([Video("a", "in/a.mp4", split="train")]) == 1
    assert labelled(tmp_path) == {"a": ([3], "train")}


def test_nothing_else_of_a_shard_changes(tmp_path):
    row = replace(feature_row(1, frames=2, labels=()), id="a")
    dataset = shard_dataset(tmp_path, "r1", has_frames=True, note="kept")
    dataset.commit(0, [(row, "v1"), (replace(row, id="b"), "v1")], [], ())
    shard = tmp_path / "features/part-r1-00000.parquet"
    before, ledger = pq.read_table(shard), (tmp_path / "ledger" / shard.name).read_bytes()
    videos = manifest(a=("dog",))
    dataset.name_classes(videos)
    dataset.annotate(videos)
    after = pq.read_table(shard)
    assert after.schema.equals(before.schema, check_metadata=True)
    assert after.drop_columns(["labels", "split"]).equals(before.drop_columns(["labels", "split"]))
    assert pandas.read_parquet(tmp_path / "features")["labels"].map(list).tolist() == [[0], []]
    assert (tmp_path / "ledger" / shard.name).read_bytes() == ledger
    dataset.check()


def test_labels_that_were_cut_short_are_finished_by_the_next_run(tmp_path, monkeypatch):
    """A run that lost its lease after its first shard stands in for one that was killed there."""
    dataset = shard_dataset(tmp_path, "r1")
    for number, name in enumerate("abc"):
        dataset.commit(number, [done(name)], [], ())
    videos = manifest(a=("dog",), b=("dog",), c=("dog",))
    dataset.name_classes(videos)
    with dataset.lease() as lease:
        looks = iter([None, None, LeaseError("another run has taken over")])

        def confirm() -> None:
            if (error := next(looks)) is not None:
                raise error

        monkeypatch.setattr(lease, "confirm", confirm)
        with pytest.raises(LeaseError):
            dataset.annotate(videos)
    assert sorted(labels for labels, _ in labelled(tmp_path).values()) == [[], [], [0]]
    again = shard_dataset(tmp_path, "r2")
    assert again.prepare().done == {"a": "v1", "b": "v1", "c": "v1"}
    assert again.annotate(videos) == 2
    assert set(map(str, labelled(tmp_path).values())) == {"([0], 'train')"}
