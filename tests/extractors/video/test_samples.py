"""Requests place their points on a video, and complete the audio and the extent after the last sample."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from extractors.video.coverage import DeclaredEnd, Extent
from extractors.video.media import MAX_PIXELS, open_media
from extractors.video.packets import PacketReader
from extractors.video.samples import GridRequest
from extractors.video.waveform import WINDOW_SAMPLES, Waveform
from tests.support.videos import Clip, write_video


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds at 25 frames/s, with audio."""
    return write_video(tmp_path_factory.mktemp("samples") / "clip.mp4", Clip(frames=100, sound="aac"))


def request(
    *, first: int = 0, stop: int | None = None, waveform: Waveform | None = None, declared: DeclaredEnd | None = None
) -> GridRequest:
    return GridRequest(Fraction(2), first, stop, waveform, Extent(), declared, MAX_PIXELS)


def test_the_grid_starts_at_the_first_frame_and_has_the_requested_range(clip: Path) -> None:
    with open_media(clip) as media:
        grid = request(first=3, stop=7).place(media, 1000)
        assert (grid.fps, grid.tick, grid.origin, grid.first, grid.stop) == (2, media.video.time_base, 1000, 3, 7)
        assert list(grid.points(grid.pts(0), grid.pts(100))) == [3, 4, 5, 6]


@pytest.mark.parametrize(
    "declared", [None, DeclaredEnd(Fraction(4), True), DeclaredEnd(Fraction(1, 3), False)], ids=str
)
def test_the_declared_end_is_in_ticks_and_rounded_up(clip: Path, declared: DeclaredEnd | None) -> None:
    with open_media(clip) as media:
        ticks = request(declared=declared).declared_end_pts(media)
        tick = media.video.time_base
        assert tick is not None
        if declared is None:
            assert ticks is None
        else:
            assert ticks is not None
            assert declared.end_seconds <= ticks * tick < declared.end_seconds + tick


def test_finishing_reads_the_rest_of_the_audio_and_sets_the_extent(clip: Path) -> None:
    waveform = Waveform()
    grid_request = request(stop=6, waveform=waveform)
    with open_media(clip) as media:
        packets = PacketReader(media, waveform)
        assert media.video.time_base is not None
        end_pts = int(3 / media.video.time_base)
        grid = grid_request.place(media, 0)
        next(packets)  # the audio of most of the video is still to be read
        grid_request.finish(grid, packets, is_exhausted=False, end_pts=end_pts, head_pts=0)
    assert waveform.has_audio
    windows = waveform.windows(range(6))
    assert windows.shape == (6, WINDOW_SAMPLES)
    assert all(window.any() for window in windows)
    assert grid_request.extent.missing_ranges([0, 1, 2, 3, 4, 5]) == []
    assert grid_request.extent.missing_ranges([0, 1, 4]) == [(2, 4), (5, 6)]


def test_without_a_waveform_only_the_extent_is_set(clip: Path) -> None:
    grid_request = request(declared=DeclaredEnd(Fraction(10), True))
    with open_media(clip) as media:
        assert media.video.time_base is not None
        end_pts = int(4 / media.video.time_base)
        grid = grid_request.place(media, 0)
        grid_request.finish(grid, PacketReader(media), is_exhausted=True, end_pts=end_pts, head_pts=0)
    assert grid_request.extent.missing_ranges(range(8)) == [(8, 20)], "up to the declared end"
