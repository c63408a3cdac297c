from dataclasses import replace

import pytest

from cluster.datasets.increment import FailedBefore, Settled, increment_of
from schemas.videos import Video, content_of


def names(videos, settled, retry_failed=None):
    return "".join(video.id for video in increment_of(videos, settled, retry_failed).pending)


def test_settled_videos_are_left_out():
    videos = [Video(name, name) for name in "abcd"]
    settled = Settled({"a": ""}, {"b": FailedBefore("missing", "", "r1"), "c": FailedBefore("truncated", "", "r1")})
    assert names(videos, settled) == "d"
    assert names(videos, settled, ()) == "bcd"
    assert names(videos, settled, ("missing",)) == "bd"
    assert names(videos, settled, ("empty",)) == "d"
    assert names(videos, settled, ("truncated", "missing")) == "bcd"


def test_failures_that_are_not_tried_again_are_named():
    videos = [Video(name, name) for name in "abc"]
    failed = {"a": FailedBefore("missing", "", "r1"), "c": FailedBefore("truncated", "", "r1")}
    settled = Settled({}, {**failed, "elsewhere": FailedBefore("empty", "", "r1")})
    assert increment_of(videos, settled, None).failed == {"a": "missing", "c": "truncated"}
    assert increment_of(videos, settled, ("missing",)).failed == {"c": "truncated"}
    assert increment_of(videos, settled, ()).failed == {}


def test_a_video_that_is_done_is_not_retried_for_a_failure_that_a_crash_left():
    assert names([Video("a", "a")], Settled({"a": ""}, {"a": FailedBefore("missing", "", "r1")}), ()) == ""


@pytest.mark.parametrize(
    ("then", "now", "is_done_again"),
    [
        ({"version": "1"}, {"version": "1"}, False),
        ({"version": "1"}, {"version": "2"}, True),
        ({"version": ""}, {"version": "2"}, False),
        ({"version": "1"}, {"version": ""}, False),
        ({"version": "1"}, {"version": "1", "uri": "moved"}, False),
        ({"version": "1"}, {"version": "1", "start_seconds": 5}, True),
        ({"version": "1", "end_seconds": 9}, {"version": "1", "end_seconds": 9}, False),
        ({"version": "1", "end_seconds": 9}, {"version": "1", "end_seconds": 8}, True),
        ({"version": "", "end_seconds": 9}, {"version": "1"}, True),
        ({"version": "1"}, {"version": "1", "labels": (1,)}, False),
    ],
)
def test_other_content_is_done_again(then, now, is_done_again):
    video = Video("a", "a")
    content = content_of(replace(video, **then))
    after_row = increment_of([replace(video, **now)], Settled({"a": content}, {}), None)
    assert (len(after_row.pending), "a" in after_row.replaced) == (is_done_again, is_done_again)
    after_failure = increment_of(
        [replace(video, **now)], Settled({}, {"a": FailedBefore("empty", content, "r1")}), None
    )
    assert (len(after_failure.pending), "a" in after_failure.replaced) == (is_done_again, False)


def test_rows_of_an_earlier_release_are_counted_or_done_again():
    videos = [Video(name, name, version="1") for name in "abc"]
    settled = Settled({"a": "1", "b": "1", "c": "0"}, {}, earlier={"a", "c", "elsewhere"})
    kept = increment_of(videos, settled, None)
    assert ([video.id for video in kept.pending], kept.replaced, kept.earlier) == (["c"], {"c"}, 1)
    again = increment_of(videos, settled, None, redo_earlier=True)
    assert ([video.id for video in again.pending], again.replaced, again.earlier) == (["a", "c"], {"a", "c"}, 0)


def test_a_missing_file_that_has_come_is_done():
    came, gone = Video("a", "a", version="1"), Video("a", "a")
    settled = Settled({}, {"a": FailedBefore("missing", content_of(gone), "r1")})
    assert (names([came], settled), names([gone], settled)) == ("a", "")
    assert names([came], Settled({}, {"a": FailedBefore("missing", "1", "r1")})) == ""
    assert names([came], Settled({}, {"a": FailedBefore("storage", "", "r1")})) == ""
