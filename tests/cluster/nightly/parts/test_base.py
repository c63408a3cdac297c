"""Videos that are left are counted by the reason."""

from __future__ import annotations

from cluster.datasets.increment import FailedBefore, Settled
from cluster.nightly.parts.base import pending_counts
from schemas.nights import NightCounts
from schemas.videos import Video

PENDING = [Video("a", "a.mp4", version="1"), Video("b", "b.mp4", version="1")]


def counts(done: dict[str, str], failed: dict[str, FailedBefore]) -> NightCounts:
    return pending_counts(PENDING, Settled(done, failed))


def test_videos_are_counted_by_the_reason_to_do_them() -> None:
    assert counts({}, {}) == NightCounts(new=2)
    assert counts({"a": "0", "b": "0"}, {}) == NightCounts(changed=2)
    failed = {"a": FailedBefore("truncated", "1", "r1"), "b": FailedBefore("empty", "0", "r1")}
    assert counts({}, failed) == NightCounts(retried=1, changed=1)
    assert counts({}, {"a": FailedBefore("missing", "", "r1")}) == NightCounts(changed=1, new=1)  # it has arrived


def test_videos_that_another_model_has_labelled_count_for_none() -> None:
    assert counts({"a": "1"}, {}) == NightCounts(new=1)
    assert pending_counts([], Settled({"a": "1"}, {})) == NightCounts()
