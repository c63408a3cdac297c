import numpy as np
import pytest

from classifiers.data.splits import (
    HashSplit,
    SplitError,
    check_disjoint,
    check_not_empty,
    hash_ids,
    split_by_column,
    split_by_hash,
)

IDS = [f"video/{number:05d}é" for number in range(20_000)]


def test_hashes_do_not_depend_on_the_machine():
    expected = [0xFD37B17FBC44C50D, 0xDDD422ABBC948F3C, 0x9034FADE27A93F89]
    assert hash_ids(["", "a", "é"], 7).tolist() == expected
    assert hash_ids(["a"], 0)[0] != hash_ids(["a"], 1)[0]
    assert hash_ids([], 0).shape == (0,)


def test_hash_splits_are_disjoint_and_have_their_sizes():
    parts = split_by_hash(IDS, HashSplit(training=0.7, validation=0.2, test=0.1))
    assert (sum(parts.values(), np.zeros(len(IDS), int)) == 1).all()
    for name, fraction in (("training", 0.7), ("validation", 0.2), ("test", 0.1)):
        # Four standard deviations of a binomial.
        assert abs(parts[name].mean() - fraction) < 4 * np.sqrt(fraction * (1 - fraction) / len(IDS))


def test_a_video_keeps_its_split_when_the_data_grow():
    few = split_by_hash(IDS[5000:9000][::-1], HashSplit(seed=3))["training"][::-1]
    many = split_by_hash(IDS, HashSplit(seed=3))["training"]
    np.testing.assert_array_equal(few, many[5000:9000])


def test_seeds_are_independent():
    first, second = (
        split_by_hash(IDS, HashSplit(training=0.5, validation=0.5, test=0, seed=s))["training"] for s in (0, 1)
    )
    assert abs((first & second).mean() - 0.25) < 0.015


@pytest.mark.parametrize(
    ("training", "validation", "test"), [(0.9, 0.1, 0), (0.1 + 0.2, 0.7, 0.0), (1, 0, 0), (0, 0, 1)]
)
def test_a_split_with_fraction_0_is_empty(training, validation, test):
    parts = split_by_hash(IDS, HashSplit(training=training, validation=validation, test=test))
    assert sum(int(part.sum()) for part in parts.values()) == len(IDS)
    for name, fraction in (("training", training), ("validation", validation), ("test", test)):
        assert parts[name].any() == (fraction > 0)


@pytest.mark.parametrize("fractions", [(0.5, 0.1, 0.1), (1.2, -0.2, 0), (float("nan"), 0.5, 0.5)])
def test_invalid_fractions_are_refused(fractions):
    with pytest.raises(SplitError, match="add up to 1"):
        HashSplit(**dict(zip(("training", "validation", "test"), fractions, strict=True)))


def test_split_by_column():
    parts = split_by_column(["train", "Validate", "", "test", " TRAIN "])
    assert {name: mask.tolist() for name, mask in parts.items()} == {
        "training": [True, False, False, False, True],
        "validation": [False, True, False, False, False],
        "test": [False, False, False, True, False],
    }


def test_unknown_names_of_splits_are_refused():
    with pytest.raises(SplitError, match=r"'holdout'.*known: train"):
        split_by_column(["train", "holdout"])


def test_an_id_in_two_splits_is_refused():
    check_disjoint({"training": ["a", "b"], "test": ["c"]})
    with pytest.raises(SplitError, match=r"2 ids are in both training and test: 'a', 'b'"):
        check_disjoint({"training": ["a", "b", "x"], "validation": ["y"], "test": ["b", "a"]})
    with pytest.raises(SplitError, match="1 ids of training are repeated"):
        check_disjoint({"training": ["a", "a"]})


def test_an_empty_split_is_an_error_with_all_sizes():
    parts = {"training": np.array([True, True]), "validation": np.array([False, False])}
    check_not_empty(parts, ["training"], "more")
    with pytest.raises(SplitError, match=r"no video is left for validation \(training 2, validation 0\): more$"):
        check_not_empty(parts, ["training", "validation"], "more")
