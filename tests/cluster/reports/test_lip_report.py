"""The page of a lip reader's training."""

from __future__ import annotations

import dataclasses
import re

import pytest

from classifiers.metrics.group_accuracy import NO_GROUPS, VideoGroups
from classifiers.metrics.text_evaluation import TextEvaluation
from cluster.reports.lip_report import (
    confusion_map,
    display_name,
    groups_sentence,
    most_confused,
    render_lip_report,
    reported_texts,
)
from cluster.training.results import text_result
from schemas.lips import LipInput
from schemas.text_results import TextConfusion, TextResult
from schemas.trainings import Epoch, LostVideo, TrainedClass, TrainingRecord
from tests.support.training_records import training_record

SAID = ("bin blue", "set red", "lay")
READ = ("bin blue", "set <b>", "")


GROUPS = VideoGroups({"one": "ann", "two": "bob", "three": "<cy>"}, {"ann": 7, "bob": 2})


def result(name: str = "validation", groups: VideoGroups = NO_GROUPS) -> TextResult:
    evaluation = TextEvaluation(is_full=True, groups=groups)
    evaluation.update(SAID, READ, [1.0, 2.0, 3.0], ["one", "two", "three"])
    return text_result(name, evaluation, 1.0)


def record(**changes: object) -> TrainingRecord:
    history = tuple(
        Epoch(
            epoch=number,
            seconds=2.0,
            learning_rate=1e-4 * 0.9**number,
            training={"loss": 80.0 / (number + 1)},
            validation={
                "loss": 70.0 / (number + 1),
                "word_error_rate": 1 - number / 10,
                "character_error_rate": 0.9 - number / 10,
            },
        )
        for number in range(5)
    )
    defaults: dict[str, object] = {
        "model": "lipnet-keras",
        "level": "lip",
        "task": "transcription",
        "monitor": "word_error_rate",
        "classes": tuple(
            TrainedClass(name=name, index=place, videos={"training": place}) for place, name in enumerate("ab \x00")
        ),
        "split_sizes": {"training": 9, "validation": 3},
        "history": history,
        "best_epoch": 4,
        "splits": (),
        "temperature": None,
        "lips": LipInput(height=46, width=140, channels=1),
        "texts": (result("training"), result()),
        "feature_fingerprint": {"mouths": "found, face-mesh"},
    }
    return dataclasses.replace(training_record(), **{**defaults, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def page() -> str:
    lost = (LostVideo(id="lost", uri="lost.mp4", code="no_face", message="no face found"),)
    return render_lip_report(record(lost=lost), {"two": b"RIFF and so on"})


def test_the_record_survives_its_file() -> None:
    assert TrainingRecord.from_json(record().to_json()) == record()


def test_the_page_says_what_was_reached(page: str) -> None:
    for text in (
        "40.00% word error rate on validation videos",
        "1 of 3",
        "Learning rate",
        "Exact sentences",
        "CTC loss",
    ):
        assert text in page, text
    assert page.count("<svg") > 5
    assert "no_face" in page


def test_sentences_are_shown_with_their_previews_and_escaped(page: str) -> None:
    assert page.count('<img src="data:image/webp;base64,UklGR') == 2  # among the worst and the best
    assert "<b>" not in page.split("Worst", 1)[1].split("Confusion of characters")[0].replace("<bdi>", "")
    assert "nothing was read" in page


def test_confusions_are_drawn_and_listed() -> None:
    found = TextConfusion(names=(" ", "a", "b", ""), counts=((3, 0, 0, 1), (0, 5, 2, 0), (0, 0, 7, 0), (0, 4, 0, 0)))
    drawn = str(confusion_map(found, "characters"))
    assert "a → b: 2 of 7" in drawn
    assert "15 of 22 are correct" in drawn
    assert most_confused(found) == [("nothing", "a", 4), ("a", "b", 2), ("space", "nothing", 1)]
    assert confusion_map(TextConfusion(names=tuple(map(chr, range(1000, 1100))), counts=()), "characters") is None
    assert display_name("\x07") == "\\x07"


def test_error_rates_by_group_have_the_worst_first() -> None:
    split = result(groups=GROUPS)
    changed = record(texts=(split,))
    assert TrainingRecord.from_json(changed.to_json()) == changed
    section = render_lip_report(changed).split("Error rates by group</h2>", 1)[1].split("</section>", 1)[0]
    rows = [re.sub("<[^>]+>", " ", row).split() for row in section.split("<tbody>")[1].split("</tr>")[:-1]]
    assert rows == [
        ["&lt;cy&gt;", "100%", "100%", "1", "0"],
        ["bob", "50.00%", "42.86%", "1", "2"],
        ["ann", "0%", "0%", "1", "7"],
    ]
    assert "2 of 3 groups have training videos as well" in section


def test_what_the_groups_of_a_split_say() -> None:
    assert groups_sentence(result(groups=GROUPS)).startswith("2 of 3 groups have training videos as well")
    known = VideoGroups(GROUPS.of, dict.fromkeys(GROUPS.of.values(), 1))
    assert groups_sentence(result(groups=known)).startswith("All groups have training videos")
    assert "never seen" in groups_sentence(result(groups=VideoGroups(GROUPS.of)))


def test_a_single_group_has_no_table() -> None:
    for groups in (NO_GROUPS, VideoGroups(dict.fromkeys(GROUPS.of, "ann"))):
        assert "Error rates by group" not in render_lip_report(record(texts=(result(groups=groups),)))


def test_a_training_without_validation_has_its_page() -> None:
    history = tuple(dataclasses.replace(epoch, validation={}) for epoch in record().history)
    page = render_lip_report(record(history=history, texts=(result("training"),)))
    assert "Evaluated on training videos only" in page
    assert "There are no validation videos." in page
    assert reported_texts(record(texts=())) is None
    assert "Not evaluated" in render_lip_report(record(texts=()))
