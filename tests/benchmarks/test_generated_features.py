import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.generated_features import (
    LABEL_NOISE,
    REPORTED_COUNTS,
    class_frequencies,
    main,
    make_distribution,
    write_dataset,
)
from classifiers.data.class_choice import choose_classes, single_label_targets
from cluster.datasets.vocabulary import read_class_names
from cluster.features.columns import read_index
from cluster.features.files import open_features
from cluster.features.source import FeatureSource, SourceConfig
from schemas.features import feature_schema
from schemas.quantization import dequantize


@pytest.fixture(scope="module")
def means(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    write_dataset(folder, videos=9000, classes=10, frames=0, seed=3)
    return folder


def arrays(folder):
    features = open_features([str(folder)])
    targets = single_label_targets(read_index(features).labels, choose_classes(["first:10"]))
    batches = list(FeatureSource(features, SourceConfig(), targets=targets).batches())
    x = np.concatenate([np.concatenate([b.rgb.numpy(), b.audio.numpy()], 1) for b in batches])
    return x, np.concatenate([b.targets.numpy() for b in batches if b.targets is not None])


def test_shards_have_the_feature_schema(means):
    assert read_class_names(str(means / "vocabulary.csv"), expected=10) == tuple(REPORTED_COUNTS)
    first = sorted((means / "features").iterdir())[0]
    assert pq.read_schema(first).remove_metadata() == feature_schema(1024, frame_features=False)
    index = read_index(open_features([str(means)]))
    assert len(set(index.ids)) == 9000
    assert 2 < len(index.labels.values) / 9000 < 3.5


def test_classes_are_as_frequent_as_reported(means):
    _, classes = arrays(means)
    found = np.bincount(classes, minlength=10) / len(classes)
    np.testing.assert_allclose(found, class_frequencies(10), atol=0.02)


def test_a_seed_gives_the_same_files_and_another_gives_others(means, tmp_path):
    for name, seed in (("same", 3), ("other", 4)):
        write_dataset(tmp_path / name, videos=9000, classes=10, frames=0, seed=seed)
    for path in sorted((means / "features").iterdir()):
        assert path.read_bytes() == (tmp_path / "same" / "features" / path.name).read_bytes()
        assert path.read_bytes() != (tmp_path / "other" / "features" / path.name).read_bytes()


def test_a_linear_classifier_is_better_than_chance_but_far_from_the_label_noise(means):
    x, classes = arrays(means)
    one_hot = np.eye(10, dtype=np.float32)[classes]
    train = np.arange(len(x)) < 7000
    design = np.concatenate([x, np.ones((len(x), 1), np.float32)], 1)
    weights = np.linalg.solve(
        design[train].T @ design[train] + 10 * np.eye(design.shape[1]), design[train].T @ one_hot[train]
    )
    accuracy = ((design[~train] @ weights).argmax(1) == classes[~train]).mean()
    assert 0.5 < accuracy < 0.9 < 1 - LABEL_NOISE


def test_means_are_those_of_the_frames_and_order_distinguishes_classes(tmp_path):
    write_dataset(tmp_path, videos=200, classes=4, frames=8, seed=1)
    (path,) = (tmp_path / "features").iterdir()
    rows = pq.read_table(path).to_pylist()
    assert {row["num_frames"] for row in rows} == {4, 5, 6, 7, 8}
    motions = []
    for row in rows:
        frames = dequantize(np.frombuffer(b"".join(row["rgb"]), np.uint8).reshape(row["num_frames"], 1024))
        # Codes saturate at 2, which moves a few means.
        assert np.abs(frames.mean(0) - np.array(row["mean_rgb"]) - 0.0078).mean() < 0.02
        motions.append(frames[-1] - frames[0])
    first = np.array([row["labels"][0] for row in rows])
    means = np.stack([np.mean(np.array(motions)[first == label], axis=0) for label in range(4)])
    cosine = means @ means.T / np.linalg.norm(means, axis=1) / np.linalg.norm(means, axis=1)[:, None]
    assert cosine[0, 1] < -0.5  # the classes of a pair move in opposite directions
    assert cosine[2, 3] < -0.5


@pytest.mark.parametrize("clue", ["order", "glimpse"])
def test_with_a_clue_frames_determine_the_class_and_means_do_not(tmp_path, clue):
    write_dataset(tmp_path, videos=2000, classes=2, frames=8, seed=2, clue=clue)
    rows = pq.read_table(tmp_path / "features").combine_chunks()
    classes = np.array([labels[0] for labels in rows["labels"].to_pylist()])
    means = rows["mean_rgb"].combine_chunks().flatten().to_numpy().reshape(-1, 1024)
    apart = means[classes == 1].mean(0) - means[classes == 0].mean(0)
    chance = means.std(axis=0) * np.sqrt(1 / (classes == 0).sum() + 1 / (classes == 1).sum())
    assert np.linalg.norm(apart) < 1.1 * np.linalg.norm(chance)
    codes = [np.frombuffer(b"".join(video), np.uint8).reshape(-1, 1024) for video in rows["rgb"].to_pylist()]
    frames = [dequantize(video) for video in codes]
    if clue == "order":  # the direction of motion, learnt from half of the videos
        motions = np.array([video[-1] - video[0] for video in frames])
        known = motions[:1000][classes[:1000] == 0].mean(0) - motions[:1000][classes[:1000] == 1].mean(0)
        found = motions[1000:] @ known < 0
    else:  # the largest displacement along the direction of a class, in any order of the frames
        directions = make_distribution(2, 1024, 2, 0).glimpses
        found = np.array([(video @ directions.T).max(0).argmax() for video in frames[1000:]])
    assert (found == classes[1000:]).mean() > 0.9


def test_a_clue_without_frames_is_refused(tmp_path):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "d"), "--videos", "5", "--clue", "order"])
    assert not list(tmp_path.iterdir())
