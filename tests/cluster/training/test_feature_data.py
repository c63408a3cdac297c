import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from classifiers.data.class_choice import ClassChoiceError
from classifiers.data.splits import SplitError
from cluster.datasets.vocabulary import ClassNamesError
from cluster.features.columns import read_index
from cluster.features.files import FeatureFileError
from cluster.features.source import SourceConfig
from cluster.features.tfrecord_conversion import ConversionOptions, convert
from cluster.features.tfrecord_files import YOUTUBE_8M
from cluster.training.kinds import load_training_data
from cluster.training.manifest_labels import LabelsError
from tests.support.trainings import CLASSES, training_config, write_features


def load(features, **options):
    return load_training_data(training_config(features, features / "out", **options).settings())


def ids(split):
    names = read_index(split.features).ids
    return [names[row] for row in np.flatnonzero(split.rows)]


def test_every_video_is_in_one_split(dataset):
    data = load(dataset)
    parts = {name: ids(split) for name, split in data.splits.items()}
    assert list(parts) == ["training", "validation", "test"]
    assert sorted(name for part in parts.values() for name in part) == [f"v{number:05d}" for number in range(300)]
    assert 0.6 < len(parts["training"]) / 300 < 0.8
    assert data.choice.names == ("cat", "dog", "fish")
    assert sum(split.counts().sum() for split in data.splits.values()) == 300
    assert parts == {name: ids(split) for name, split in load(dataset, seed=5).splits.items()}
    assert parts != {name: ids(split) for name, split in load(dataset, split_seed=5).splits.items()}


def test_batches_hold_the_videos_of_the_split(dataset):
    split = load(dataset, classes=("fish", "cat")).splits["validation"]
    batches = list(split.source(SourceConfig(with_ids=True, batch_size=7)).batches())
    assert [name for batch in batches for name in batch.ids] == ids(split)
    targets = np.concatenate([batch.targets for batch in batches])
    assert np.bincount(targets).tolist() == split.counts().tolist()


def test_balancing_changes_only_the_training_split(dataset):
    plain, balanced = load(dataset), load(dataset, balance=True)
    counts = balanced.splits["training"].counts()
    assert counts.tolist() == [plain.splits["training"].counts().min()] * CLASSES
    for name in ("validation", "test"):
        assert ids(plain.splits[name]) == ids(balanced.splits[name])


def test_class_weights_make_classes_weigh_the_same(dataset):
    data = load(dataset)
    weights, counts = np.array(data.class_weights()), data.splits["training"].counts()
    assert weights * counts == pytest.approx([counts.sum() / CLASSES] * CLASSES)


def test_many_labels(dataset):
    split = load(dataset, task="multi-label", classes=("first:3",)).splits["training"]
    assert split.counts().sum() > len(split)
    (batch, *_) = split.source(SourceConfig()).batches()
    assert batch.targets.shape == (len(batch), 3)


def test_a_sample_is_evenly_spaced(dataset):
    split = load(dataset).splits["training"]
    sample = split.sample(20)
    rows, kept = np.flatnonzero(split.rows), np.flatnonzero(sample.rows)
    assert len(sample) == 20
    assert set(np.diff(np.searchsorted(rows, kept))) <= {len(rows) // 20, len(rows) // 20 + 1}
    assert split.sample(1000) is split


def test_a_split_can_be_left_out(dataset):
    assert list(load(dataset, fractions=("1", "0", "0")).splits) == ["training"]


def test_splits_by_column(dataset, tmp_path):
    table = pq.read_table(dataset / "features")
    names = ["train"] * 200 + ["validate"] * 60 + [None] * 40
    (tmp_path / "features").mkdir()
    table = table.drop_columns(["split"]).append_column("split", pa.array(names))
    pq.write_table(table, tmp_path / "features" / "all.parquet")
    data = load(tmp_path, split="column", classes=("first:3",))
    assert {name: len(split) for name, split in data.splits.items()} == {"training": 200, "validation": 60}
    with pytest.raises(FeatureFileError, match="no column 'part'"):
        load(tmp_path, split="column", split_column="part", classes=("first:3",))


def test_splits_by_folder_may_not_overlap(dataset, tmp_path):
    other = write_features(tmp_path / "other", 50, first=1000)
    data = load(dataset, split="folders", validation_features=(str(other),))
    assert {name: len(split) for name, split in data.splits.items()} == {"training": 300, "validation": 50}
    shared = write_features(tmp_path / "shared", 50, first=290)
    with pytest.raises(SplitError, match="10 ids are in both training and validation"):
        load(dataset, split="folders", validation_features=(str(shared),))
    foreign = write_features(tmp_path / "foreign", 50, first=2000, fingerprint={"source": "elsewhere"})
    with pytest.raises(FeatureFileError, match="have different fingerprints"):
        load(dataset, split="folders", validation_features=(str(foreign),))


def test_bad_choices_are_refused(dataset, tmp_path):
    with pytest.raises(ClassChoiceError, match="unknown class 'dgo'; did you mean 'dog'"):
        load(dataset, classes=("cat", "dgo"))
    with pytest.raises(SplitError, match=r"no video is left for test .*: give more videos or other --fractions"):
        load(dataset, fractions=("0.5", "0.4999999", "0.0000001"))
    with pytest.raises(SplitError, match=r"too few videos for 60 workers: validation \d+, test \d+"):
        load(dataset, workers=60, engine="ray")
    short = tmp_path / "short.csv"
    short.write_text("cat\ndog\n")
    with pytest.raises(ClassNamesError, match="names 2 classes, but the labels go up to class 2"):
        load(dataset, vocabulary=str(short))
    long = tmp_path / "long.csv"
    long.write_text("cat\ndog\nfish\nbird\n")
    with pytest.raises(ClassChoiceError, match="1 of the 4 classes have no training video: bird"):
        load(dataset, vocabulary=str(long))
    assert load(dataset, vocabulary=str(long), classes=("first:3",)).choice.names == ("cat", "dog", "fish")


def test_files_without_features_are_refused(dataset, tmp_path):
    table = pq.read_table(dataset / "features").drop_columns(["mean_audio"])
    (tmp_path / "features").mkdir()
    pq.write_table(table, tmp_path / "features" / "part.parquet")
    with pytest.raises(FeatureFileError, match="column mean_audio is missing"):
        load(tmp_path)
    with pytest.raises(FeatureFileError, match="does not exist"):
        load(tmp_path / "nowhere")


def test_without_a_vocabulary_classes_go_by_index(tmp_path):
    dataset = write_features(tmp_path)
    (dataset / "vocabulary.csv").unlink()
    with pytest.raises(ClassChoiceError, match="all needs a vocabulary"):
        load(dataset)
    assert load(dataset, classes=("first:3",)).choice.names == ("0", "1", "2")


def manifest(folder, rows, columns="id,labels", name="labels.csv"):
    (folder / name).write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return str(folder / name)


def test_labels_of_a_manifest_replace_those_of_the_features(dataset, tmp_path):
    rows = [(f"v{number:05d}", "odd" if number % 2 else "even") for number in range(200)]
    data = load(dataset, labels=manifest(tmp_path, [*rows, ("elsewhere", "none")]))
    assert data.choice.names == ("even", "odd")
    kept = {name for split in data.splits.values() for name in ids(split)}
    assert kept == {name for name, _ in rows}
    for split in data.splits.values():
        found = split.targets.of(np.flatnonzero(split.rows)).tolist()
        assert found == [int(name[1:]) % 2 for name in ids(split)]


def test_splits_of_a_manifest_come_with_its_labels(dataset, tmp_path):
    parts = ("train", "train", "validation", "test")
    rows = [(f"v{number:05d}", number % 3, parts[number % 4]) for number in range(120)]
    data = load(dataset, labels=manifest(tmp_path, rows, "id,labels,split"))
    assert data.choice.names == ("cat", "dog", "fish"), "indices are those of the dataset's vocabulary"
    assert ids(data.splits["test"]) == [name for name, _, part in rows if part == "test"]
    by_hash = load(dataset, labels=manifest(tmp_path, rows, "id,labels,split"), split="hash")
    assert ids(by_hash.splits["test"]) != ids(data.splits["test"])


def test_a_vocabulary_beside_the_labels_names_their_classes(dataset, tmp_path):
    rows = [(f"v{number:05d}", number % 2) for number in range(100)]
    (tmp_path / "vocabulary.csv").write_text("index,name\n0,left\n1,right\n2,never\n")
    assert load(dataset, labels=manifest(tmp_path, rows)).choice.names == ("left", "right")
    with pytest.raises(ClassNamesError, match="does not name all labels of the videos: 'up'"):
        load(dataset, labels=manifest(tmp_path, [("v00000", "up")]))


def test_labels_that_fit_no_video_are_told(dataset, tmp_path):
    source = manifest(tmp_path, [("v1.mp4", "cat"), ("v2.mp4", "dog")])
    with pytest.raises(
        LabelsError, match=r"labels.csv has labels of none of the 300 videos in .*: its ids are 'v1.mp4'"
    ):
        load(dataset, labels=source)


def test_rows_without_any_label_say_so(tmp_path):
    folder = write_features(tmp_path / "features")
    for shard in (folder / "features").iterdir():
        table = pq.read_table(shard)
        empty = pa.array([[]] * table.num_rows, pa.list_(pa.int32()))
        column = table.schema.get_field_index("labels")
        pq.write_table(table.set_column(column, table.schema.field(column), empty), shard)
    with pytest.raises(LabelsError, match=r"none of the 300 videos in .*features has a label: give --labels MANIFEST"):
        load(folder)
    rows = [(f"v{number:05d}", ("cat", "dog")[number % 2]) for number in range(300)]
    assert load(folder, labels=manifest(tmp_path, rows)).choice.names == ("cat", "dog")


def test_a_class_that_no_video_has_any_more_is_left_out(tmp_path, caplog):
    """As after the correction of a name: a vocabulary only grows."""
    folder = write_features(tmp_path / "features")
    (folder / "vocabulary.csv").write_text("index,name\n0,cat\n1,dog\n2,fish\n3,dgo\n")
    with caplog.at_level(logging.WARNING, "framemill"):
        assert load(folder).choice.names == ("cat", "dog", "fish")
    assert "1 of 4 classes have no video and are left out: 'dgo'" in caplog.text
    for chosen in ({"classes": ("cat", "dgo")}, {"vocabulary": str(folder / "vocabulary.csv")}):
        with pytest.raises(ClassChoiceError, match=r"1 of the [24] classes have no training video: dgo"):
            load(folder, **chosen)
    assert load(folder, task="multi-label").choice.names == ("cat", "dog", "fish")


def test_records_with_codes_of_another_range(dataset, tmp_path):
    records = tmp_path / "records"
    write_features(tmp_path / "frames", frames=3, fingerprint=YOUTUBE_8M)
    convert(ConversionOptions(str(tmp_path / "frames"), str(records), to="tfrecord"))
    batches = []
    for code_range, fingerprint in ((None, YOUTUBE_8M), ("-1..3", {**YOUTUBE_8M, "code_range": "-1..3"})):
        data = load(records, code_range=code_range, model="lstm", classes=("first:3",))
        assert data.input.fingerprint == fingerprint
        batches.append(next(data.splits["training"].source(SourceConfig(level="frame")).batches()))
    plain, shifted = batches
    is_frame = (torch.arange(3) < plain.num_frames[:, None])[:, :, None]
    torch.testing.assert_close(shifted.rgb, plain.rgb + 1 * is_frame)  # the range is as wide, and 1 higher
    torch.testing.assert_close(shifted.audio, plain.audio + 1 * is_frame)
    with pytest.raises(FeatureFileError, match=r"part-0-0\.parquet are of the range -2\.\.2, not -1\.\.3"):
        load(dataset, code_range="-1..3")
