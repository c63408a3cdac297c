from __future__ import annotations

import pytest

from classifiers.metrics.group_accuracy import VideoGroups
from classifiers.metrics.text_evaluation import TextEvaluation
from schemas.text_results import MAX_SENTENCES

SAID = ["bin blue", "set red", "lay", "at"]
READ = ["bin blue", "set ret", "", "it"]
LOSSES = [1.0, 2.0, 3.0, 6.0]
IDS = ("d", "c", "b", "a")
GROUPS = VideoGroups({"d": "ann", "c": "bob", "b": "ann"}, {"ann": 2})


def whole(**options: bool) -> TextEvaluation:
    evaluation = TextEvaluation(**{"is_full": True, **options}, groups=GROUPS)
    evaluation.update(SAID, READ, LOSSES, IDS)
    return evaluation


def test_summary() -> None:
    assert whole().summary() == pytest.approx(
        {
            "loss": 3.0,
            "character_error_rate": 5 / 20,
            "word_error_rate": 3 / 6,
            "sentence_accuracy": 1 / 4,
            "mean_character_error_rate": (1 / 7 + 1 + 1 / 2) / 4,
            "mean_word_error_rate": (1 / 2 + 1 + 1) / 4,
        }
    )
    with pytest.raises(ValueError, match="no sentence"):
        TextEvaluation(is_full=True).summary()


def test_the_worst_and_the_best_sentences() -> None:
    evaluation = whole()
    assert [(one.id, one.edits) for one in evaluation.worst] == [("b", 3), ("a", 1), ("c", 1)]
    assert [one.id for one in evaluation.best] == ["d", "c", "a", "b"]
    assert [one.id for one in evaluation.examples] == ["a", "b"]
    evaluation.update(["x"] * 50, ["y"] * 50, [0.0] * 50, [f"x{number:02}" for number in range(50)])
    assert len(evaluation.worst) == len(evaluation.best) == MAX_SENTENCES


def test_confusions_of_characters_and_of_what_looks_alike() -> None:
    evaluation = whole()
    found = evaluation.confusion()
    assert found.names[0] == " "
    assert found.names[-1] == ""
    place = {name: number for number, name in enumerate(found.names)}
    assert found.counts[place["d"]][place["t"]] == 1
    assert found.counts[place["l"]][place[""]] == 2 - 1
    assert found.counts[place["e"]] == tuple(3 if name == "e" else 0 for name in found.names)
    visemes = evaluation.viseme_confusion()
    tongue = visemes.names.index("d n t")
    assert visemes.counts[tongue][tongue] == sum(map("bin set at".count, "tn")) + 1


def test_shares_of_workers_are_merged() -> None:
    parts = [TextEvaluation(is_full=True, groups=GROUPS) for _ in range(2)]
    for part, rows in zip(parts, (slice(0, 1), slice(1, 4)), strict=True):
        part.update(SAID[rows], READ[rows], LOSSES[rows], IDS[rows])
    merged = TextEvaluation(is_full=True, groups=GROUPS)
    for part in parts:
        merged.merge(part.state())
    expected = whole()
    assert merged.summary() == expected.summary()
    assert (merged.worst, merged.best, merged.examples) == (expected.worst, expected.best, expected.examples)
    assert merged.confusion() == expected.confusion()
    assert merged.groups.rows() == expected.groups.rows() != ()


def test_an_epoch_needs_the_summary_and_examples_alone() -> None:
    evaluation = whole(is_full=False)
    assert evaluation.summary() == whole().summary()
    assert (len(evaluation.examples), evaluation.worst, evaluation.best) == (2, (), ())
    assert evaluation.groups.rows() == ()
