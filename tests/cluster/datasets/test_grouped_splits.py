"""Groups stay whole, classes have their shares, and the splits of lists hold."""

from __future__ import annotations

from collections import Counter

from cluster.datasets.grouped_splits import GroupedVideo, divided_groups, stored_split, with_splits
from schemas.videos import Video


def listed(classes: int, groups: int, clips: int, split: str = "") -> list[GroupedVideo]:
    return [
        GroupedVideo(Video(f"{label}-{group}-{clip}", "", (f"class {label}",), split), f"{label}-{group}")
        for label in range(classes)
        for group in range(groups)
        for clip in range(clips)
    ]


def split(entries: list[GroupedVideo], *, validation: float = 0.2, test: float = 0.2, seed: int = 0) -> list[Video]:
    return with_splits(entries, validation=validation, test=test, seed=seed)


def test_each_class_has_its_share() -> None:
    videos = split(listed(3, 25, 4))
    counts = Counter((video.labels[0], video.split) for video in videos)
    for label in range(3):
        assert [counts[f"class {label}", part] for part in ("train", "validation", "test")] == [64, 16, 20]


def test_groups_are_never_parted() -> None:
    for seed in range(20):
        parts: dict[str, set[str]] = {}
        for video in split(listed(2, 7, 3), seed=seed):
            parts.setdefault(video.id.rpartition("-")[0], set()).add(video.split)
        assert all(len(part) == 1 for part in parts.values())


def test_the_seed_decides_and_the_order_of_the_videos_does_not() -> None:
    entries = listed(2, 20, 1)
    assert split(entries, seed=1) == split(entries, seed=1)
    assert split(entries, seed=1) != split(entries, seed=2)
    assert sorted(split(entries[::-1]), key=lambda video: video.id) == sorted(
        split(entries), key=lambda video: video.id
    )


def test_new_videos_move_hardly_any_other() -> None:
    before = {video.id: video.split for video in split(listed(1, 100, 1))}
    after = {video.id: video.split for video in split(listed(1, 110, 1))}
    assert sum(after[name] != part for name, part in before.items()) <= 10


def test_few_groups_leave_something_for_training() -> None:
    for groups, expected in ((1, {"train"}), (2, {"train", "test"}), (3, {"train", "validation", "test"})):
        assert {video.split for video in split(listed(1, groups, 1))} == expected


def test_what_a_list_says_holds_and_validation_comes_from_training() -> None:
    entries = listed(2, 10, 2, "train") + [
        GroupedVideo(Video(f"t{number}", "", ("class 0",), "test"), f"t{number}") for number in range(5)
    ]
    videos = split(entries)
    assert {video.split for video in videos if video.id.startswith("t")} == {"test"}
    assert Counter(video.split for video in videos) == {"train": 32, "validation": 8, "test": 5}
    has_validation = [*entries, GroupedVideo(Video("v", "", ("class 1",), "validation"), "v")]
    assert Counter(video.split for video in split(has_validation)) == {"train": 40, "validation": 1, "test": 5}


def test_a_video_without_a_split_is_in_that_of_its_group() -> None:
    names = [("a", "test"), ("a", ""), ("b", ""), ("c", "validation"), ("d", "train"), ("d", "")]
    entries = [GroupedVideo(Video(str(at), "", (), name), group) for at, (group, name) in enumerate(names)]
    for order in (entries, entries[::-1]):
        found = {video.id: video.split for video in split(order)}
        assert [found[name] for name in "012345"] == ["test", "test", "", "validation", "train", "train"]


def test_groups_that_the_data_divide_stay_so() -> None:
    names = [("a", "train"), ("a", "test"), ("b", "train"), ("c", "train")]
    entries = [GroupedVideo(Video(str(at), "", (), name), group) for at, (group, name) in enumerate(names)]
    for seed in range(9):
        for order in (entries, entries[::-1]):
            found = {video.id: video.split for video in split(order, seed=seed)}
            assert (found["0"], found["1"]) == ("train", "test")
            assert sorted([found["2"], found["3"]]) == ["train", "validation"]
    assert divided_groups(entries) == ["a"]


def test_fractions_of_zero() -> None:
    assert {video.split for video in split(listed(2, 5, 1), validation=0, test=0)} == {"train"}


def test_names_of_splits_are_stored_in_one_form() -> None:
    names = ["train", " Training", "VAL", "validate", "testing", "holdout", ""]
    assert list(map(stored_split, names)) == ["train", "train", "validation", "validation", "test", None, None]


def test_a_group_of_several_classes_is_one_group() -> None:
    """Clips of one recording: whichever comes first, the group is not divided, and both classes are in all splits."""
    entries = [
        GroupedVideo(Video(f"{group}#{label}", "", (label,)), f"recording {group}")
        for group in range(10)
        for label in ("run", "walk")
    ]
    found = split(entries)
    assert split(entries[::-1])[::-1] == found
    counts = Counter((video.labels[0], video.split) for video in found)
    assert counts == {
        (label, part): count
        for label in ("run", "walk")
        for part, count in (("train", 6), ("validation", 2), ("test", 2))
    }
