"""Charts of the training report: every cell and dot is a number of the record."""

import dataclasses

import pytest

from cluster.reports import training_charts
from schemas.evaluations import FrameAccuracy, SplitResult
from schemas.trainings import TrainingRecord
from tests.support.pages import Page
from tests.support.training_records import training_record


def names(record: TrainingRecord) -> list[str]:
    return [one.name for one in record.classes]


def titles(html: str) -> list[str]:
    """The tooltips of a chart."""
    assert Page(html).open == []
    return [text.split("</title>")[0] for text in html.split("<title>")[1:]]


def of_test(record: TrainingRecord) -> SplitResult:
    return record.splits[-1]


@pytest.mark.parametrize("count", [2, 10, 64])
def test_the_confusion_matrix_has_a_cell_for_every_count_above_0(count: int) -> None:
    record = training_record(count)
    split = of_test(record)
    html = training_charts.confusion_map(split, names(record))
    assert html is not None
    tooltips = titles(html)
    assert len(tooltips) == sum(count > 0 for row in split.confusion for count in row)
    one = split.confusion[0][0]
    assert f"{names(record)[0]} → {names(record)[0]}: {one:,} videos" in tooltips[0]
    correct = sum(split.confusion[i][i] for i in range(count))
    assert f"{correct} of 600 videos are correct" in html


def test_correct_and_wrong_predictions_have_different_colours() -> None:
    record = training_record(2)
    split = dataclasses.replace(of_test(record), confusion=((32, 18), (0, 4)), videos=54)
    html = training_charts.confusion_map(split, names(record))
    assert html is not None
    cells = [
        (attributes["class"], attributes["fill-opacity"])
        for tag, attributes in Page(html).tags
        if tag == "rect" and (attributes.get("class") or "").startswith("cell") and "x" in attributes
    ]
    assert cells == [("cell up", "0.800"), ("cell down", "0.600"), ("cell up", "1.000")]
    assert titles(html)[1] == "Game → Vehicle: 18 videos, 36.00% of class"
    assert titles(html)[2] == "Vehicle → Vehicle: 4 of 4"


def test_correlations_are_drawn_but_of_a_class_with_itself() -> None:
    record = training_record(10)
    split = of_test(record)
    html = training_charts.correlation_map(split, names(record))
    assert html is not None
    assert min(row.support for row in split.classes) >= 10
    known = sum(value is not None for i, row in enumerate(split.traded) for j, value in enumerate(row) if i != j)
    assert len(titles(html)) == known
    assert f"videos of Game, with Vehicle: {split.traded[0][1]:.3f}" in titles(html)


def test_a_class_with_too_few_videos_has_an_empty_row() -> None:
    record = training_record(10)
    split = of_test(record)
    rare = (*split.classes[:9], dataclasses.replace(split.classes[9], support=9))
    html = training_charts.correlation_map(dataclasses.replace(split, classes=rare), names(record))
    assert html is not None
    assert "videos of Performance Art" not in html
    assert "with Performance Art" in html


def test_of_many_classes_the_followed_ones_are_drawn_and_the_confusion_is_not() -> None:
    record = training_record(1000)
    assert training_charts.confusion_map(of_test(record), names(record)) is None
    html = training_charts.correlation_map(of_test(record), names(record))
    assert html is not None
    assert "probabilities of 50 classes" in html


def test_nothing_to_draw_is_no_picture() -> None:
    record = training_record(10)
    split = of_test(record)
    still = dataclasses.replace(split, traded=tuple((None,) * 10 for _ in range(10)), confusion=())
    assert training_charts.correlation_map(still, names(record)) is None
    assert training_charts.correlation_map(dataclasses.replace(split, followed=(), traded=()), []) is None
    assert training_charts.confusion_map(still, names(record)) is None
    assert training_charts.temperature_chart(dataclasses.replace(record, temperature=None)) is None
    assert training_charts.metric_curves(record, "perr", "PERR", are_shares=True) is None


def test_curves_are_of_the_splits_that_were_followed() -> None:
    both = training_charts.metric_curves(training_record(10), "loss", "Loss", are_shares=False)
    alone = training_charts.metric_curves(training_record(10, splits=("test",)), "loss", "Loss", are_shares=False)
    assert both is not None
    assert alone is not None
    assert "epoch 9, validation: 0.168" in titles(both)
    assert not any("validation" in title for title in titles(alone))


def test_accuracy_by_frame_is_drawn_over_the_seconds_seen() -> None:
    found = FrameAccuracy(videos=200, fps=5.0, shares=(0.5, 0.6, 0.9, 0.91))
    html = training_charts.frame_curve(found)
    assert titles(html)[0] == "0.2 s seen, validation: 50.00%"
    assert "knows after 0.6 s" in html
    without_rate = training_charts.frame_curve(dataclasses.replace(found, fps=None))
    assert titles(without_rate)[1] == "2 frames seen, validation: 60.00%"


def test_calibration_is_drawn_before_and_after() -> None:
    record = training_record(10)
    html = training_charts.temperature_chart(record)
    assert html is not None
    assert record.temperature is not None
    dots = len(record.temperature.reliability_before) + len(record.temperature.reliability_after)
    assert len(titles(html)) == dots
    assert len(titles(training_charts.split_reliability(of_test(record)))) == len(of_test(record).reliability)
