"""Drift: silent about chance, loud about change."""

import math

import numpy as np
import pytest

from cluster.nightly.drift import drift_of
from schemas.label_statistics import Drift
from tests.support.nights import MODEL, labels_of, night_of


def compared(tonight: dict[str, int], *before: dict[str, int], unlabelled: int = 0) -> Drift:
    nights = [night_of(f"2026-02-{20 + day}", labels_of(counts)) for day, counts in enumerate(before)]
    drift = drift_of(labels_of(tonight, unlabelled=unlabelled), MODEL, nights)
    assert drift is not None
    return drift


def test_the_same_distribution_is_no_drift() -> None:
    drift = compared({"a": 300, "b": 100}, {"a": 30, "b": 10}, {"a": 3000, "b": 1000})
    assert drift.divergence == pytest.approx(0, abs=1e-12)
    assert [row.difference for row in drift.classes] == pytest.approx([0, 0])
    assert [row.expected for row in drift.classes] == pytest.approx([300, 100])
    assert not any(row.is_marked for row in drift.classes)
    assert drift.nights == ("2026-02-20", "2026-02-21")


def test_the_error_of_one_night_against_another_is_that_of_two_shares() -> None:
    row, _ = compared({"a": 60, "b": 40}, {"a": 100, "b": 100}).classes
    pooled = 160 / 300
    assert row.error == pytest.approx(math.sqrt(pooled * (1 - pooled) * (1 / 100 + 1 / 200)))
    assert row.difference == pytest.approx(0.1)


def test_more_nights_make_the_error_smaller() -> None:
    row, _ = compared({"a": 60, "b": 40}, {"a": 50, "b": 50}, {"a": 150, "b": 150}).classes
    pooled = 260 / 500
    assert row.error == pytest.approx(math.sqrt(pooled * (1 - pooled) * (1 / 100 + (1 / 100 + 1 / 300) / 4)))


def test_nights_that_differ_among_themselves_widen_the_error() -> None:
    before = [{"a": 500 + swing, "b": 500 - swing} for swing in (-200, 200, -200, 200)]
    row, _ = compared({"a": 650, "b": 350}, *before).classes
    spread = np.var([0.3, 0.7, 0.3, 0.7], ddof=1)
    assert row.error == pytest.approx(math.sqrt(spread * 1.25))
    assert not row.is_marked
    assert compared({"a": 650, "b": 350}, *[{"a": 500, "b": 500}] * 4).classes[0].is_marked


def test_chance_alone_is_hardly_ever_marked() -> None:
    rng = np.random.default_rng(5)
    shares = np.array([0.4, 0.3, 0.2, 0.09, 0.01])
    marked = 0
    for _ in range(200):
        nights = [dict(zip("abcde", map(int, rng.multinomial(500, shares)), strict=True)) for _ in range(8)]
        marked += sum(row.is_marked for row in compared(*nights).classes)
    assert marked <= 15  # of 1,000


def test_new_and_vanished_labels() -> None:
    drift = compared({"a": 50, "n": 50}, {"a": 50, "v": 50}, {"a": 100})
    assert [(row.name, row.count) for row in drift.new] == [("n", 50)]
    assert [(row.name, row.expected) for row in drift.vanished] == [("v", 25.0)]
    assert all(row.is_marked for row in drift.new)


def test_divergence_is_one_for_what_has_nothing_in_common() -> None:
    assert compared({"a": 5}, {"b": 7}).divergence == pytest.approx(1)
    assert compared({}, {"b": 7}, unlabelled=3).divergence == pytest.approx(1)
    half = compared({"a": 1, "b": 1}, {"a": 1}).divergence
    assert half == pytest.approx(
        0.5 * (0.5 * math.log2(0.5 / 0.75) + 0.5 * math.log2(0.5 / 0.25) + math.log2(1 / 0.75))
    )


def test_videos_without_labels_count() -> None:
    drift = compared({"a": 50}, {"a": 100}, unlabelled=50)
    assert drift.classes[0].share == 0.5
    assert drift.divergence > 0.3


def test_nights_of_other_models_and_nights_without_labels() -> None:
    nights = [
        night_of("2026-02-26", labels_of({"a": 1}), model="other"),
        night_of("2026-02-27", None),
        night_of("2026-02-28", labels_of({})),
    ]
    drift = drift_of(labels_of({"a": 2}), MODEL, nights)
    assert drift is not None
    assert (drift.nights, drift.other_models) == (("2026-02-26",), 1)
    assert drift_of(labels_of({"a": 2}), MODEL, nights[1:]) is None
    assert drift_of(labels_of({}), MODEL, nights) is None
