import numpy as np
import pytest

from classifiers.data.batches import BatchOrder, Worker
from cluster.features.files import open_features
from cluster.features.resident import ResidentFeatures, ResidentSource
from cluster.features.source import FeatureSource, SourceConfig
from cluster.training import feature_data
from cluster.training.config import TrainingOptions
from cluster.training.kinds import load_training_data
from schemas.features import AUDIO_DIM
from tests.support.features import DIM, feature_row, write_shard

COUNT = 1500
ROW_BYTES = (DIM + AUDIO_DIM) * 4


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        rows = [feature_row(row) for row in range(number * 500, number * 500 + 500)]
        write_shard(tmp_path / f"{number}.parquet", rows, row_group_size=200)
    return tmp_path


def remove_files(folder):
    for file in folder.iterdir():
        file.unlink()


def load(folder, *fractions, **options):
    given = {"output": "out", "features": (str(folder),), "classes": ("first:3",), "fractions": fractions, **options}
    return load_training_data(TrainingOptions.of(**given).settings())


def numbers(source, epoch=0):
    return [int(number) for batch in source.batches(epoch) for number in batch.rgb[:, 0]]


@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_are_read_once_and_shuffled_as_a_whole(folder, shuffle):
    wanted = np.arange(COUNT) % 5 != 2
    source = ResidentFeatures(open_features([str(folder)]), wanted).source(
        SourceConfig(batch_size=64, shuffle=shuffle), wanted
    )
    first = numbers(source, 0)
    remove_files(folder)
    second = numbers(source, 1)
    assert sorted(first) == sorted(second) == np.flatnonzero(wanted).tolist()
    assert (first == second) is not shuffle
    assert numbers(source, 1) == second
    assert source.rows == wanted.sum()
    assert source.steps == sum(1 for _ in source.batches()) == -(-source.rows // 64)
    assert not shuffle or (np.abs(np.diff(first)) == 1).mean() < 0.05


def test_in_order_batches_are_those_of_a_stream(folder):
    features = open_features([str(folder)])
    wanted = np.arange(COUNT) % 3 == 1
    config = SourceConfig(batch_size=100, with_ids=True)
    resident = ResidentFeatures(features, np.arange(COUNT) % 3 != 0)
    batches = zip(
        resident.source(config, wanted).batches(),
        FeatureSource(features, config, rows=wanted).batches(),
        strict=True,
    )
    for held, streamed in batches:
        assert held.ids == streamed.ids
        assert all(one.equal(other) for one, other in zip(held.inputs, streamed.inputs, strict=True))


def test_splits_and_samples_of_the_same_files_are_read_in_one_pass(folder):
    data = load(folder, "0.7", "0.2", "0.1")
    feed = data.feed(Worker())
    order = BatchOrder(batch_size=64, with_ids=True)
    expected = {name: numbers(split.source(SourceConfig())) for name, split in data.splits.items()}
    sample = data.splits["training"].sample(50)
    expected_sample = numbers(sample.source(SourceConfig()))
    shuffled = feed.source(data.splits["training"], BatchOrder(batch_size=64, shuffle=True))
    assert sorted(numbers(shuffled)) == expected["training"]
    remove_files(folder)
    assert {name: numbers(feed.source(split, order)) for name, split in data.splits.items()} == expected
    assert numbers(feed.source(sample, order)) == expected_sample
    assert sum(map(len, expected.values())) == COUNT


def test_splits_that_do_not_fit_are_streamed(folder, monkeypatch):
    data = load(folder, "0.7", "0.2", "0.1")
    monkeypatch.setattr(feature_data, "RESIDENT_BYTES", (len(data.splits["training"]) - 1) * ROW_BYTES)
    feed = data.feed(Worker())
    sources = {name: feed.source(split, BatchOrder(batch_size=64)) for name, split in data.splits.items()}
    assert [type(source) for source in sources.values()] == [FeatureSource, ResidentSource, ResidentSource]


def test_several_workers_stream_the_videos(folder):
    data = load(folder, "0.8", "0.2", "0", workers=2)
    feed = data.feed(Worker(rank=1, world=2))
    assert all(
        isinstance(feed.source(split, BatchOrder(batch_size=64)), FeatureSource) for split in data.splits.values()
    )
