from __future__ import annotations

from pathlib import Path

import pytest

from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.vocabulary import ClassNamesError
from cluster.training.manifest_labels import LabelsError, labels_of, read_manifest_labels
from schemas.videos import Video


def written(folder: Path, text: str, name: str = "labels.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_labels_follow_the_ids_that_are_asked_for(tmp_path: Path) -> None:
    found = read_manifest_labels(written(tmp_path, "id,labels,split\na,dog;cat,train\nb,,\nc,cat,test\n"), (), None)
    assert found.names == ("cat", "dog")
    labels = found.labels(["c", "x", "a", "b"])
    assert (labels.offsets.tolist(), labels.values.tolist()) == ([0, 1, 1, 3, 3], [0, 1, 0])
    assert found.splits(["c", "x", "a", "b"]) == ["test", "", "train", ""]
    assert found.has_splits


def test_videos_are_named_by_their_ids_alone(tmp_path: Path) -> None:
    for text, problem in (
        ("labels\ncat\n", "it has no column 'id'"),
        ("id,labels\n,cat\n", "line 2: no id"),
        ("id,labels\na,cat\na,dog\n", "ids must be unique"),
    ):
        with pytest.raises(ManifestError, match=problem):
            read_manifest_labels(written(tmp_path, text), (), None)


def test_what_gives_no_label_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="no video has a label in column labels"):
        read_manifest_labels(written(tmp_path, "id,split\na,train\n"), (), None)
    with pytest.raises(ManifestError, match="labels are in a manifest"):
        read_manifest_labels(str(tmp_path), (), None)


def test_the_vocabulary_is_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    source = written(tmp_path / "labels", "id,labels\na,1\nb,0\n")
    dataset = written(tmp_path, "index,name\n0,cat\n1,dog\n", "vocabulary.csv")
    explicit = written(tmp_path, "left\nright\n", "names.txt")
    assert read_manifest_labels(source, (str(tmp_path / "none.csv"),), None).names is None
    assert read_manifest_labels(source, (str(tmp_path / "none.csv"), dataset), None).names == ("cat", "dog")
    written(tmp_path / "labels", "index,name\n0,x\n1,y\n", "vocabulary.csv")
    assert read_manifest_labels(source, (dataset,), None).names == ("x", "y")
    assert read_manifest_labels(source, (dataset,), explicit).names == ("left", "right")


def test_names_are_not_looked_up_in_the_dataset_of_the_features(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    source = written(tmp_path / "labels", "id,labels\na,up\nb,down\n")
    dataset = written(tmp_path, "index,name\n0,cat\n1,dog\n", "vocabulary.csv")
    assert read_manifest_labels(source, (dataset,), None).names == ("down", "up")
    with pytest.raises(ClassNamesError, match="does not name all labels of the videos: 'down', 'up'"):
        read_manifest_labels(source, (), dataset)


def test_indices_beyond_the_vocabulary_are_refused(tmp_path: Path) -> None:
    vocabulary = written(tmp_path, "left\nright\n", "names.txt")
    with pytest.raises(ClassNamesError, match="names 2 classes, but the labels go up to class 7"):
        labels_of([Video("a", "a.mp4", (7,))], "m.csv", vocabulary)
