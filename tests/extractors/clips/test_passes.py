"""Clips leave when their last frame is there, from either pass; moments of lost frames find the nearest."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.clips.frame_times import FrameTimes
from extractors.clips.passes import DecodedTimes, fully_decoded_clips, selective_clips
from extractors.video.bitstream.picture import UnsureStructureError
from tests.support.videos import Clip, read_number, write_video

PIXELS = 1 << 20


@dataclass(frozen=True)
class Chosen:
    """Clips of frames by their numbers, in a video of 25 frames a second."""

    numbers: Mapping[int, Sequence[int]]
    reaches_end: bool = False

    def resized(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return image

    def moments(self, times: FrameTimes, tick: Fraction) -> dict[int, list[int]]:
        return {
            clip: [times.origin + round(number / 25 / tick) for number in chosen]
            for clip, chosen in self.numbers.items()
        }

    def clip(self, number: int, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        return np.stack(images)[None]


def seen(clips: object) -> list[tuple[int, list[int]]]:
    return [(number, list(map(read_number, clip))) for number, (clip,) in clips]  # type: ignore[attr-defined]


@pytest.fixture(scope="module", params=[".mp4", ".ts"])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / f"clip{request.param}", Clip(frames=100, gop=10))


@pytest.mark.parametrize("pass_over", [selective_clips, fully_decoded_clips])
def test_clips_come_in_the_order_of_their_last_frames(pass_over, video: Path) -> None:  # type: ignore[no-untyped-def]
    chosen = {0: [90, 20, 90], 1: [5, 6], 2: [4, 30], 3: [5], 4: [30, 30]}
    found = seen(pass_over(video, Chosen(chosen), PIXELS))
    assert found == [(number, list(chosen[number])) for number in (3, 1, 2, 4, 0)]


@pytest.mark.parametrize("pass_over", [selective_clips, fully_decoded_clips])
def test_nothing_is_decoded_for_no_clip(pass_over, video: Path) -> None:  # type: ignore[no-untyped-def]
    assert seen(pass_over(video, Chosen({}), PIXELS)) == []


def test_what_was_done_is_left_out(video: Path) -> None:
    found = seen(fully_decoded_clips(video, Chosen({0: [1], 1: [3, 4], 2: [7]}), PIXELS, {0, 2}))
    assert found == [(1, [3, 4])]


def test_a_moment_after_the_last_frame_is_unsure(video: Path) -> None:
    clips = selective_clips(video, Chosen({0: [50], 1: [60, 130]}), PIXELS)
    assert seen([next(clips)]) == [(0, [50])]
    with pytest.raises(UnsureStructureError):
        next(clips)


def test_the_intact_frame_nearest_to_a_moment() -> None:
    """Frames of 10 ticks, of which those at 20 and 30 are lost."""
    times = DecodedTimes(array("q", [0, 10, 40, 50]), 60, ends=array("q", [10, 20, 50, 60]))
    expected = {-5: 0, 0: 0, 9: 0, 10: 10, 19: 10, 29: 10, 30: 10, 31: 40, 39: 40, 40: 40, 59: 50, 70: 50}
    assert {pts: times.nearest(pts) for pts in expected} == expected
    spans = {(0, 1): True, (19, 25): True, (20, 40): False, (25, 30): False, (39, 41): True, (60, 70): False}
    assert {span: times.shows(*span) for span in spans} == spans
    assert not times.shows(-10, 0)
