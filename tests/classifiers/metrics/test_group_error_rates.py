import pytest

from classifiers.metrics.group_accuracy import VideoGroups
from classifiers.metrics.group_error_rates import GroupErrorRates
from schemas.text_results import GroupErrors

GROUPS = VideoGroups({"a": "ann", "b": "bob", "c": "ann", "d": "cy", "e": "dee"}, {"ann": 7, "cy": 1})
READ = (
    ("a", "bin blue", "bin blue"),
    ("b", "set red", "set ret"),
    ("c", "lay", "la a"),
    ("d", "", "x"),
    ("e", "at", ""),
    ("unknown", "at", "at"),
    ("", "at", "at"),
)


def filled(sentences):
    found = GroupErrorRates(GROUPS)
    for sentence in sentences:
        found.update(*sentence)
    return found


def test_groups_are_counted_by_hand_and_the_worst_comes_first():
    dee, ann, bob = filled(READ).rows()  # cy says nothing
    assert dee == GroupErrors(
        group="dee", videos=1, characters=2, character_errors=2, words=1, word_errors=1, training_videos=0
    )
    assert ann == GroupErrors(
        group="ann", videos=2, characters=11, character_errors=2, words=3, word_errors=2, training_videos=7
    )
    assert (bob.word_error_rate, bob.character_error_rate) == (0.5, pytest.approx(1 / 7))


def test_merged_workers_equal_one_worker():
    merged = GroupErrorRates(GROUPS)
    for part in (READ[:1], READ[1:3], READ[3:]):
        merged.merge(filled(part).state())
    assert merged.rows() == filled(READ).rows() != ()


def test_without_groups_there_are_no_rows():
    found = GroupErrorRates()
    found.update("a", "at", "it")
    assert found.rows() == ()
