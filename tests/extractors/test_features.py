"""Segments become one row, whatever order they finish in."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from extractors.features import SegmentFeatures, merge_segments
from extractors.segments import Segment
from schemas.codes import Codes
from schemas.videos import Video

VIDEO = Video("a", "file:///a.mp4")


def part(index: int, count: int, frames: int, *, has_audio: bool = True, codes: bool = True) -> SegmentFeatures:
    rng = np.random.default_rng(index)
    return SegmentFeatures(
        segment=Segment(index, count, 10 * index, 10 * index + 10),
        num_frames=frames,
        duration_seconds=float(frames),
        rgb_sum=rng.normal(size=8) * frames,
        audio_sum=rng.normal(size=4) * frames,
        rgb=Codes.of(rng.integers(0, 256, (frames, 8), dtype=np.uint8)) if codes else None,
        audio=Codes.of(rng.integers(0, 256, (frames, 4), dtype=np.uint8)) if codes else None,
        has_audio=has_audio,
        seconds_by_stage={"decode": 1.0},
        size_bytes=100,
    )


def test_the_order_in_which_segments_finish_does_not_matter() -> None:
    parts = [part(0, 3, 10), part(1, 3, 10), part(2, 3, 4)]
    rows = [merge_segments(VIDEO, (1, 2), order) for order in permutations(parts)]
    for row in rows:
        assert (row.id, row.uri, row.labels) == ("a", "file:///a.mp4", (1, 2))
        assert (row.num_frames, row.duration_seconds, row.has_audio) == (24, 24.0, True)
        for name in ("mean_rgb", "mean_audio", "rgb", "audio"):
            np.testing.assert_array_equal(getattr(row, name), getattr(rows[0], name))
    assert rows[0].rgb is not None
    np.testing.assert_array_equal(rows[0].rgb, np.concatenate([one.rgb for one in parts if one.rgb is not None]))
    mean = sum(one.rgb_sum for one in parts) / 24
    np.testing.assert_allclose(rows[0].mean_rgb, mean, rtol=1e-6)
    assert rows[0].mean_rgb.dtype == np.float32


def test_the_row_says_which_tracks_were_taken() -> None:
    tracks = "video 0 of 0, 3; audio 2 of 1, 2"
    parts = [replace(part(index, 2, 5), tracks=tracks) for index in range(2)]
    assert merge_segments(VIDEO, (), parts).tracks == tracks
    assert merge_segments(VIDEO, (), [part(0, 1, 5)]).tracks is None


def test_a_video_has_audio_if_one_segment_has() -> None:
    row = merge_segments(VIDEO, (), [part(0, 2, 5, has_audio=False), part(1, 2, 5)])
    assert row.has_audio
    assert row.mean_audio.any()


def test_without_sound_the_mean_is_zero() -> None:
    row = merge_segments(VIDEO, (), [part(0, 1, 5, has_audio=False)])
    assert not row.has_audio
    assert not row.mean_audio.any()


def test_without_codes_there_are_only_means() -> None:
    row = merge_segments(VIDEO, (), [part(0, 2, 5, codes=False), part(1, 2, 5, codes=False)])
    assert row.rgb is row.audio is None


def test_a_last_segment_without_frames_adds_nothing() -> None:
    row = merge_segments(VIDEO, (), [part(0, 2, 5), part(1, 2, 0)])
    alone = merge_segments(VIDEO, (), [part(0, 1, 5)])
    np.testing.assert_array_equal(row.mean_rgb, alone.mean_rgb)
    np.testing.assert_array_equal(row.rgb, alone.rgb)


def test_a_missing_segment_is_refused() -> None:
    with pytest.raises(AssertionError):
        merge_segments(VIDEO, (), [part(0, 3, 5), part(2, 3, 5)])
