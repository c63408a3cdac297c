"""Tables of the training report: rows, their order and content."""

import dataclasses

import pytest

from cluster.reports import training_tables
from cluster.reports.numbers import figure_text, percent_text
from schemas.evaluations import FrameAccuracy
from tests.support.training_records import training_record


def test_every_metric_of_every_split_has_a_row() -> None:
    splits = training_record().splits
    rows = {row.name: row for row in training_tables.metric_rows(splits)}
    assert list(rows) == [
        *("Loss", "hit@1", "Top-1 accuracy", "Top-5 accuracy", "PERR", "mAP", "mAP@10", "GAP@20"),
        *("Macro F1", "Weighted F1", "Micro F1"),
    ]
    assert all(row.definition for row in rows.values())
    assert rows["Loss"].values == tuple(figure_text(split.summary["loss"] or 0) for split in splits)
    at_10 = [split.summary["mean_average_precision_at_10"] for split in splits]
    assert rows["mAP@10"].values == tuple(percent_text(value or 0) for value in at_10)
    assert rows["GAP@20"].values == tuple(percent_text(split.summary["gap"] or 0) for split in splits)
    assert rows["Macro F1"].values == tuple(percent_text(split.averages["macro"].f1) for split in splits)


def test_missing_and_unknown_metrics_have_a_row() -> None:
    validation, test = training_record().splits
    odd = dataclasses.replace(test, summary={"loss": None, "tomorrow": 0.125}, averages={})
    rows = {row.name: row.values for row in training_tables.metric_rows([validation, odd])}
    assert rows["Loss"][1] == "–"
    assert rows["tomorrow"] == ("–", "0.125")
    assert rows["Macro F1"][1] == "–"
    assert training_tables.metric_rows([]) == []


def test_metrics_of_a_few_videos_are_counts_and_two_digits() -> None:
    assert training_tables.metric_text("hit_at_one", 8 / 9, 9) == "8 of 9"
    assert training_tables.metric_text("gap", 8 / 9, 9) == "0.89"
    assert training_tables.metric_text("loss", 0.123456, 9) == "0.1235"
    assert training_tables.metric_text("hit_at_one", 0.5, 30) == "50.00%"
    assert training_tables.metric_text("gap", None, 30) == "–"


def test_precision_and_recall_of_a_few_videos_are_counts() -> None:
    record = training_record(2)
    split = dataclasses.replace(record.splits[-1], confusion=((3, 1), (0, 0)), videos=4)
    first = dataclasses.replace(split.classes[0], precision=1.0, recall=0.75, f1=6 / 7, support=4)
    second = dataclasses.replace(split.classes[1], precision=0.0, recall=0.0, f1=0.0, support=0)
    assert training_tables.class_texts(split, first) == ("3 of 3", "3 of 4", "0.86")
    assert training_tables.class_texts(split, second) == ("0 of 1", "–", "–")
    without = dataclasses.replace(split, confusion=())  # as with several labels a video
    assert training_tables.class_texts(without, dataclasses.replace(first, precision=0.6)) == (
        "3 of 5",
        "3 of 4",
        "0.86",
    )
    assert training_tables.class_texts(without, dataclasses.replace(second, support=2)) == ("–", "0 of 2", "0.00")
    many = dataclasses.replace(first, precision=0.5, recall=0.5, f1=0.5, support=60)
    assert training_tables.class_texts(without, many) == ("50.00%", "50.00%", "50.00%")


def test_few_classes_come_in_their_order() -> None:
    split = training_record(50).splits[-1]
    (group,) = training_tables.class_groups(split)
    assert group.caption == ""
    assert [row.index for row in group.rows] == list(range(50))


def test_of_many_classes_the_worst_and_the_best_are_shown() -> None:
    split = training_record(1000).splits[-1]
    worst, best = training_tables.class_groups(split)
    known = [row for row in split.classes if row.support]
    assert worst.caption == f"Lowest F1 (20 of {len(known)} classes)"
    assert max(row.f1 for row in worst.rows) <= min(row.f1 for row in best.rows)
    assert sorted(row.f1 for row in known)[:20] == [row.f1 for row in worst.rows]
    assert all(row.support for row in (*worst.rows, *best.rows))


def test_confidence_falls() -> None:
    split = training_record(1000).splits[-1]
    most, least = training_tables.confidence_groups(split)
    assert most.rows == split.confidence[:20]
    assert least.rows == split.confidence[:-21:-1]


def test_the_most_negative_correlations_are_of_classes_with_enough_videos() -> None:
    split = training_record().splits[-1]
    assert training_tables.most_negative_correlations(split, 10) == list(split.most_traded[:10])
    first = split.most_traded[0].true
    rare = tuple(dataclasses.replace(row, support=9) if row.index == first else row for row in split.classes)
    others = training_tables.most_negative_correlations(dataclasses.replace(split, classes=rare), 100)
    assert others == [pair for pair in training_tables.most_negative_correlations(split, 100) if pair.true != first]
    assert training_tables.most_negative_correlations(dataclasses.replace(split, followed=(), traded=()), 10) == []


def test_counts_fall() -> None:
    (group,) = training_tables.count_groups(training_record().classes)
    counts = [one.videos["training"] for _, one in group.rows]
    assert counts == sorted(counts, reverse=True)
    assert all(training_record().classes[position] is one for position, one in group.rows)


@pytest.mark.parametrize(
    ("splits", "name"),
    [
        (("training", "validation", "test"), "test"),
        (("training", "validation"), "validation"),
        (("training",), "training"),
    ],
)
def test_the_reported_split_is_the_least_biased(splits: tuple[str, ...], name: str) -> None:
    split = training_tables.reported_split(training_record(splits=splits))
    assert split is not None
    assert split.name == name
    assert training_tables.reported_split(training_record(splits=())) is None


@pytest.mark.parametrize(
    ("shares", "position"),
    [((0.5, 0.6, 0.95, 1.0), 2), ((1.0,), 0), ((0.96, 0.9, 0.97, 1.0), 2), ((0.0, 0.0), 0), ((0.2, 1.0, 0.5), 1)],
)
def test_the_early_frame_is_followed_by_no_worse_one(shares: tuple[float, ...], position: int) -> None:
    assert training_tables.early_frame(FrameAccuracy(videos=100, fps=None, shares=shares)) == position


def test_the_baseline_is_the_most_common_class() -> None:
    split = training_record().splits[-1]
    found = training_tables.majority_baseline(split)
    assert found == (0, split.classes[0].support / 600)
    assert training_tables.majority_baseline(dataclasses.replace(split, videos=0)) is None
