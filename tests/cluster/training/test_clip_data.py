import csv
from contextlib import closing

import numpy as np
import pytest
import torch

from classifiers.clip_models.registry import build_clip_model
from classifiers.data.batches import Worker
from classifiers.data.class_choice import ClassChoiceError
from classifiers.data.splits import SplitError
from cluster.datasets.vocabulary import ClassNamesError
from cluster.training.clip_data import ClipDataError
from cluster.training.kinds import load_training_data
from cluster.training.manifest_labels import LabelsError
from schemas.trainings import LostVideo
from tests.support.trainings import SMALL, clip_config, write_videos


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return write_videos(tmp_path_factory.mktemp("videos"), frames=1)


def load(videos, **options):
    return load_training_data(clip_config(videos, "out", **options).settings())


def manifest(folder, rows, name="manifest.csv"):
    with (folder / name).open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / name


def ids(data, name):
    return [data.videos[row].id for row in np.flatnonzero(data.splits[name].rows)]


def test_a_folder_of_classes(videos):
    data = load(videos)
    assert data.choice.names == ("blue", "green", "red")
    named = sorted(name for split in data.splits for name in ids(data, split))
    assert named == sorted(f"{colour}/{number:03d}" for colour in data.choice.names for number in range(10))
    for split in data.splits.values():
        rows = np.flatnonzero(split.rows)
        expected = [data.choice.names.index(data.videos[row].id.split("/")[0]) for row in rows]
        assert split.targets.of(rows).tolist() == expected
    assert {name: ids(data, name) for name in data.splits} == {name: ids(load(videos), name) for name in data.splits}


def test_what_patterns_match_is_left_out(videos):
    data = load(videos, exclude=("blue", "00[0-4].*"))
    assert data.choice.names == ("green", "red")
    assert len(data.videos) == 10


def test_splits_by_folder(tmp_path):
    for part, number in (("train", 3), ("val", 2), ("test", 2)):
        write_videos(tmp_path / part, number, frames=1)
    data = load(tmp_path)
    assert {name: len(split) for name, split in data.splits.items()} == {"training": 9, "validation": 6, "test": 6}
    assert all(name.startswith("val/") for name in ids(data, "validation"))


def test_a_manifest_gives_classes_and_splits(videos, tmp_path):
    rows = [("id", "uri", "labels", "split")]
    parts = ["train"] * 7 + ["test"] + ["valid"] * 2
    rows += [
        (f"{colour}{number}", f"{videos}/{colour}/{number:03d}.mp4", colour, part)
        for colour in ("green", "red")
        for number, part in enumerate(parts)
    ]
    data = load(manifest(tmp_path, rows))
    assert data.choice.names == ("green", "red")
    assert {name: len(split) for name, split in data.splits.items()} == {"training": 14, "validation": 4, "test": 2}
    assert data.uris("test", {"red7"}) == {"red7": f"{videos}/red/007.mp4"}
    by_hash = load(tmp_path / "manifest.csv", split="hash")
    assert {name for split in by_hash.splits for name in ids(by_hash, split)} == {row[0] for row in rows[1:]}
    assert ids(by_hash, "training") != ids(data, "training")


def test_a_vocabulary_next_to_a_folder_is_not_its_own(videos, tmp_path):
    (tmp_path / "vocabulary.csv").write_text("Index,Name\n0,Cooking\n")
    write_videos(tmp_path / "videos", 5, frames=1)
    assert load(tmp_path / "videos").choice.names == ("blue", "green", "red")


def test_indices_need_a_vocabulary(videos, tmp_path):
    rows = [("id", "uri", "labels")]
    for index, colour in enumerate(("red", "blue")):
        rows += [(f"{index}-{number}", f"{videos}/{colour}/{number:03d}.mp4", index) for number in range(10)]
    listed = manifest(tmp_path, rows)
    with pytest.raises(ClassChoiceError, match="all needs a vocabulary"):
        load(listed)
    assert load(listed, classes=("first:2",)).choice.names == ("0", "1")
    (tmp_path / "vocabulary.csv").write_text("stop\n")
    with pytest.raises(ClassNamesError, match="names 1 classes, but the labels go up to class 1"):
        load(listed)
    (tmp_path / "vocabulary.csv").write_text("stop\ngo\n")
    assert load(listed).choice.names == ("stop", "go")


def test_every_class_is_split_by_the_fractions(videos):
    data = load(videos)
    for name, each in (("training", 6), ("validation", 2), ("test", 2)):
        assert data.splits[name].counts().tolist() == [each] * 3
    without_test = load(videos, fractions=("0.5", "0.5", "0"))
    assert {name: split.counts().tolist() for name, split in without_test.splits.items()} == {
        "training": [5] * 3,
        "validation": [5] * 3,
    }
    assert ids(load(videos, split_seed=1), "test") != ids(data, "test")


def test_clips_of_one_recording_are_in_one_split(tmp_path):
    for name in ("Run", "Jump"):
        for group in range(5):
            for clip in range(3):
                path = tmp_path / name / f"v_{name}_g{group:02d}_c{clip:02d}.mp4"
                path.parent.mkdir(exist_ok=True)
                path.touch()
    data = load(tmp_path)
    recordings = {part: {video.rpartition("_c")[0] for video in ids(data, part)} for part in data.splits}
    assert {part: len(names) for part, names in recordings.items()} == {"training": 6, "validation": 2, "test": 2}
    assert len(set.union(*recordings.values())) == 10


def test_weights_of_a_base_network_say_what_they_leave_out(videos, caplog, tmp_path):
    options = ("width_factor=0.1", "frames=4", "height=16", "width=16")
    base = build_clip_model("movinet-a0", num_classes=3, options={"width_factor": 0.1})
    torch.save(base.state_dict(), tmp_path / "base.pt")
    data = load(videos, model="movinet-a0-stream", model_options=options, init_weights=str(tmp_path / "base.pt"))
    (message,) = (one.message for one in caplog.records)
    assert "are of the base network of movinet-a0-stream: " in message
    assert "start anew: 'trunk.b" in message
    model = data.build_model()
    assert torch.equal(model.trunk["dense"][0].weight, base.trunk["dense"][0].weight)


@pytest.mark.parametrize(("pixels", "is_warned"), [("bytes", True), ("signed", False)])
def test_pixels_that_do_not_suit_random_weights_are_warned_of(videos, caplog, pixels, is_warned):
    load(videos, model_options=(*SMALL[:-1], f"pixels={pixels}"))
    assert ("trained from scratch on pixels from 0 to 255" in caplog.text) is is_warned


def test_lost_videos_are_in_no_split(videos):
    data = load(videos)
    gone = {ids(data, "training")[0], ids(data, "test")[0]}
    left = data.without(lost(gone))
    assert {name: len(split) for name, split in left.splits.items()} == {
        name: len(split) - (name != "validation") for name, split in data.splits.items()
    }
    assert not gone & {name for split in left.splits for name in ids(left, split)}
    assert data.without(()) is data
    red = lost(f"red/{number:03d}" for number in range(10))
    with pytest.raises(ClipDataError, match=r"10 of 30 videos cannot be used(?s:.*)- 'red/000': damaged(?s:.*)5 more"):
        data.without(red)
    with pytest.raises(ClassChoiceError, match=r"too few videos of red \(0\)"):
        load(videos, max_failure_ratio=0.5).without(red)


def test_videos_that_balancing_takes_for_lost_ones_are_checked(tmp_path):
    write_videos(tmp_path, 8, frames=1, classes=2)
    for number in range(5):
        (tmp_path / "green" / f"{number:03d}.mp4").unlink()
    data = load(tmp_path, balance=True)
    assert data.splits["training"].counts().tolist() == [1, 1]
    with closing(data.feed(Worker())) as feed:
        for number in range(8):
            left = data.without(lost([f"blue/{number:03d}"]))
            assert not any((split.rows & ~feed._used).any() for split in left.splits.values())


def lost(names):
    return tuple(LostVideo(id=name, uri=name, code="damaged", message="damaged") for name in sorted(names))


def test_unusable_videos(videos, tmp_path):
    unlabelled = manifest(tmp_path, [("id", "uri"), *((f"v{n}", f"{videos}/red/{n:03d}.mp4") for n in range(10))])
    with pytest.raises(ClipDataError, match="no video has a label"):
        load(unlabelled)
    single = write_videos(tmp_path / "single", frames=1, classes=2)
    (single / "lonely").mkdir()
    (single / "lonely" / "one.mp4").write_bytes(b"x")
    with pytest.raises((ClassChoiceError, SplitError), match=r"lonely"):
        load(single)
    with pytest.raises(ClassChoiceError, match=r"too few videos of lonely \(1\): each class needs 2 or more"):
        load(single, fractions=("1", "0", "0"))
    with pytest.raises(SplitError, match="too few videos for 7 workers: validation"):
        load(videos, workers=7, engine="ray")
    with pytest.raises(ClipDataError, match="gives no video a split"):
        load(videos, split="column")
    odd = [("id", "uri", "labels", "split"), ("a", "a.mp4", "x", "train"), ("b", "b.mp4", "y", "trial")]
    with pytest.raises(SplitError, match="'trial'"):
        load(manifest(tmp_path, odd, "odd.csv"), split="column")
    with pytest.raises(ClipDataError, match="12 stages cannot be trained: C3d has 8"):
        load(videos, phases=("epochs=1 stages=12",))


def test_a_video_without_a_label_is_left_out(videos, tmp_path):
    rows = [("id", "uri", "labels"), ("odd", f"{videos}/red/000.mp4", "")]
    for colour in ("green", "red"):
        rows += [(f"{colour}{number}", f"{videos}/{colour}/{number:03d}.mp4", colour) for number in range(9)]
    assert sum(map(len, load(manifest(tmp_path, rows)).splits.values())) == 18


def test_the_input_and_whether_it_is_repeatable(videos):
    data = load(videos, placement="random", speed=("0.8", "1.25"), views=3, crops=3, fps="5", random_crop=True)
    clips = data.input.clips
    assert (clips.format.fps, clips.format.frames, clips.format.height) == ("5", 16, 16)
    sampling = clips.sampling
    assert (sampling["placement"], sampling["views"], sampling["crops"]) == ("central", 3, 3)
    assert not sampling["random_crop"]
    assert not data.is_repeatable
    assert load(videos).is_repeatable
    assert load(videos, placement="equal").is_repeatable
    assert not load(videos, augment=("flip=0.5",)).is_repeatable
    assert load(videos, augment=("flip=0",)).augmentation() is None


def test_labels_of_a_manifest_replace_the_folders(videos, tmp_path):
    rows = [("id", "labels", "split")]
    parts = ["train"] * 3 + ["test"] + ["valid"]
    rows += [
        (f"{colour}/{number:03d}", "warm" if colour == "red" else "cold", part)
        for colour in ("blue", "red")
        for number, part in enumerate(parts)
    ]
    data = load(videos, labels=str(manifest(tmp_path, rows)))
    assert data.choice.names == ("cold", "warm")
    assert {name: len(split) for name, split in data.splits.items()} == {"training": 6, "validation": 2, "test": 2}
    assert ids(data, "test") == ["blue/003", "red/003"]
    by_hash = load(videos, labels=str(tmp_path / "manifest.csv"), split="hash")
    assert sorted(name for split in by_hash.splits for name in ids(by_hash, split)) == sorted(
        row[0] for row in rows[1:]
    )


def test_labels_of_another_manifest_need_no_folders_of_classes(videos, tmp_path):
    rows = [(f"{number:03d}", ("a", "b")[number % 2]) for number in range(10)]
    source = str(manifest(tmp_path, [("id", "labels"), *rows]))
    assert load(videos / "red", labels=source).choice.names == ("a", "b")
    source = str(manifest(tmp_path, [("id", "labels"), ("red/000", "a"), ("red/001", "b")]))
    with pytest.raises(
        LabelsError, match=r"has labels of none of the 10 videos in .*red: its ids are 'red/000', 'red/001'"
    ):
        load(videos / "red", labels=source)


def test_a_class_of_the_vocabulary_that_no_video_has_is_left_out(videos, tmp_path):
    rows = [("id", "uri", "labels")]
    rows += [
        (f"{colour}{number}", f"{videos}/{colour}/{number:03d}.mp4", colour)
        for colour in ("green", "red")
        for number in range(10)
    ]
    (tmp_path / "vocabulary.csv").write_text("index,name\n0,green\n1,rde\n2,red\n")
    assert load(manifest(tmp_path, rows)).choice.names == ("green", "red")


def test_groups_of_the_manifest_are_counted_in_training(videos, tmp_path):
    rows = [("id", "uri", "labels", "split", "group")]
    for number in range(8):
        for colour in ("red", "green"):
            split = "validation" if number in (0, 5) else "train"
            group = "" if number == 7 else f"person {number // 4}"
            rows.append((f"{colour}{number}", f"{videos}/{colour}/{number:03d}.mp4", colour, split, group))
    groups = load(manifest(tmp_path, rows)).groups()
    assert groups.of == {row[0]: row[4] for row in rows[1:] if row[4]}
    assert [groups.training_videos[group] for group in ("person 0", "person 1")] == [6, 4]
    assert dict(load(videos).groups().of) == {}
