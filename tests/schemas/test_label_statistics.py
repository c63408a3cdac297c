"""Statistics of labels: what adds up, and when a drift is marked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.label_statistics import CONFIDENCE_BINS, Drift
from tests.support.nights import drift_row, labels_of


def test_statistics_that_do_not_add_up_are_refused_with_all_problems() -> None:
    labels = labels_of({"a": 3, "b": 1}, unlabelled=2)
    with pytest.raises(
        ValueError, match=rf"^1 bins in confidences, expected {CONFIDENCE_BINS}; .* do not add up to all"
    ):
        replace(labels, confidences=(4,), videos=7)


def test_shares_are_of_all_videos() -> None:
    assert labels_of({"a": 3}, unlabelled=1).share(1) == 0.25
    assert labels_of({}).share(0) == 0.0


def test_three_standard_errors_are_marked_and_no_less() -> None:
    assert not drift_row("a", share=0.29, share_before=0.2, error=0.03).is_marked
    assert drift_row("a", share=0.2901, share_before=0.2, error=0.03).is_marked
    assert drift_row("a", share=0.1, share_before=0.2, error=0.03).is_marked
    assert not drift_row("a", share=0.2, share_before=0.2, error=0.0).is_marked


def test_new_and_vanished() -> None:
    rows = (drift_row("a"), drift_row("b", share_before=0.0), drift_row("c", count=0, share=0.0))
    drift = Drift(nights=("2026-02-28",), other_models=0, divergence=0.5, classes=rows)
    assert ([row.name for row in drift.new], [row.name for row in drift.vanished]) == (["b"], ["c"])
