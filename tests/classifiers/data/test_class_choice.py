import numpy as np
import pytest

from classifiers.data.class_choice import (
    ClassChoiceError,
    LabelLists,
    balance,
    check_classes_have_videos,
    choose_classes,
    multi_label_targets,
    single_label_targets,
)
from classifiers.data.splits import hash_ids

NAMES = ["Game", "Vehicle", "Concert", "2012", "Food"]


def lists(*videos: list[int]) -> LabelLists:
    offsets = np.cumsum([0, *map(len, videos)])
    return LabelLists(offsets.astype(np.int64), np.array([label for video in videos for label in video], np.int64))


LABELS = lists([1, 0], [], [4, 2, 1], [2], [7], [0, 9, 2])


@pytest.mark.parametrize(
    ("items", "indices", "names"),
    [
        (["all"], (0, 1, 2, 3, 4), tuple(NAMES)),
        (["first:2"], (0, 1), ("Game", "Vehicle")),
        (["Food", "0"], (4, 0), ("Food", "Game")),
        (["2012", "Game"], (3, 0), ("2012", "Game")),  # a name comes before an index
    ],
)
def test_classes_by_name_and_number(items, indices, names):
    choice = choose_classes(items, NAMES)
    assert (choice.indices, choice.names) == (indices, names)


def test_all_stands_for_the_classes_in_use():
    choice = choose_classes(["all"], NAMES, {4, 0, 2})
    assert (choice.indices, choice.names) == ((0, 2, 4), ("Game", "Concert", "Food"))
    assert choose_classes(["Vehicle", "first:1"], NAMES, {4}).indices == (1, 0)
    with pytest.raises(ClassChoiceError, match="two classes or more, not 1"):
        choose_classes(["all"], NAMES, {4})


def test_without_a_vocabulary_classes_are_called_by_their_index():
    choice = choose_classes(["first:2", "3861"])
    assert (choice.indices, choice.names) == ((0, 1, 3861), ("0", "1", "3861"))


def test_all_problems_are_reported_together():
    with pytest.raises(ClassChoiceError) as refusal:
        choose_classes(["Vehicel", "99", "first:9", "first:x"], NAMES)
    text = str(refusal.value)
    assert "unknown class 'Vehicel'; did you mean 'Vehicle'?" in text
    assert "class 99 is not in the vocabulary, whose last index is 4" in text
    assert "'first:9': first: must be followed by a number from 1 to 5" in text
    assert "'first:x'" in text


@pytest.mark.parametrize(
    ("items", "names", "message"),
    [
        (["Game", "first:2"], NAMES, "more than once: Game"),
        (["Game"], NAMES, "two classes or more"),
        ([], NAMES, "two classes or more"),
        (["all"], None, "needs a vocabulary"),
        (["Game", "1"], None, "by name, which needs a vocabulary"),
        (["Game", "9" * 5_000], NAMES, "is not in the vocabulary"),
        (["first:" + "9" * 5_000], NAMES, "must be followed by a number from 1 to 5"),
    ],
)
def test_invalid_choices_are_refused(items, names, message):
    with pytest.raises(ClassChoiceError, match=message):
        choose_classes(items, names)


def test_single_label_uses_the_first_label_only():
    targets = single_label_targets(LABELS, choose_classes(["2", "1", "0"]))
    assert targets.classes is not None
    assert targets.classes.tolist() == [1, -1, -1, 0, -1, 2]
    assert targets.kept.tolist() == [True, False, False, True, False, True]
    assert targets.counts().tolist() == [1, 1, 1]
    assert targets.of(np.array([5, 0])).tolist() == [2, 1]


@pytest.mark.parametrize("keep_others", [False, True])
def test_multi_label_uses_all_selected_labels(keep_others):
    targets = multi_label_targets(LABELS, choose_classes(["2", "1", "0"]), keep_others=keep_others)
    expected = np.array([[0, 1, 1], [0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1]], np.float32)
    found = targets.of(np.arange(6))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(targets.of(np.array([5, 1, 5])), expected[[5, 1, 5]])
    assert targets.kept.tolist() == [keep_others or bool(row.any()) for row in expected]
    assert targets.counts().tolist() == [3, 2, 2]


def test_targets_equal_a_loop_over_videos():
    rng = np.random.default_rng(0)
    videos = [rng.choice(60, rng.integers(0, 6), replace=False).tolist() for _ in range(500)]
    choice = choose_classes([str(index) for index in rng.permutation(60)[:20]])
    single, multi = single_label_targets(lists(*videos), choice), multi_label_targets(lists(*videos), choice)
    for number, video in enumerate(videos):
        first = choice.indices.index(video[0]) if video and video[0] in choice.indices else -1
        assert single.classes is not None
        assert single.classes[number] == first
        shown = np.flatnonzero(multi.of(np.array([number]))[0]).tolist()
        assert shown == sorted(choice.indices.index(label) for label in video if label in choice.indices)


def test_a_repeated_label_counts_once():
    targets = multi_label_targets(lists([1, 1], [0]), choose_classes(["0", "1"]))
    assert targets.of(np.arange(2)).tolist() == [[0, 1], [1, 0]]
    assert targets.counts().tolist() == [1, 1]


def test_balancing_keeps_as_many_videos_of_each_class_as_the_rarest_has():
    rng = np.random.default_rng(1)
    labels = lists(*([int(label)] for label in rng.choice(3, 3000, p=[0.7, 0.2, 0.1])))
    targets = single_label_targets(labels, choose_classes(["first:3"]))
    hashes = hash_ids(map(str, range(3000)), 0)
    among = rng.random(3000) < 0.6
    rarest = np.bincount(labels.values[among], minlength=3).min()
    balanced = balance(targets, hashes, among)
    assert np.bincount(labels.values[balanced.kept & among]).tolist() == [rarest] * 3
    assert (balanced.kept[~among] == targets.kept[~among]).all()
    # The same videos whatever the order they come in.
    order = rng.permutation(3000)
    shuffled = balance(
        single_label_targets(lists(*([int(label)] for label in labels.values[order])), choose_classes(["first:3"])),
        hashes[order],
        among[order],
    )
    np.testing.assert_array_equal(shuffled.kept, balanced.kept[order])


def test_what_cannot_be_balanced_is_refused():
    everything = np.ones(6, bool)
    with pytest.raises(ClassChoiceError, match="class weights"):
        balance(multi_label_targets(LABELS, choose_classes(["0", "1"])), np.zeros(6, np.uint64), everything)
    with pytest.raises(ClassChoiceError, match="no video has class 1"):
        balance(single_label_targets(LABELS, choose_classes(["0", "3"])), np.zeros(6, np.uint64), everything)


def test_classes_without_a_video_are_named():
    choice = choose_classes(["Game", "2012", "Food"], NAMES)
    with pytest.raises(ClassChoiceError, match=r"1 of the 3 classes have no training video: 2012"):
        check_classes_have_videos(single_label_targets(LABELS, choice), choice)


def test_huge_and_negative_labels_are_ignored():
    targets = single_label_targets(lists([2**31 - 1], [-5], [1]), choose_classes(["0", "1"]))
    assert targets.kept.tolist() == [False, False, True]


def test_invalid_offsets_are_refused():
    with pytest.raises(ValueError, match="increase from 0 to 1"):
        LabelLists(np.array([0, 2], np.int64), np.array([1], np.int64))
