"""What the encoder is given: formats, crops, and sizes that change."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from extractors.cutting.video_track import VideoTrack
from extractors.video.cropping import Crop
from tests.support.cutting import shown
from tests.support.videos import picture


def frame_of(width: int, height: int, name: str, number: int = 5) -> VideoFrame:
    frame = VideoFrame.from_ndarray(picture(number, width, height), format="rgb24").reformat(format=name)
    frame.time_base = Fraction(1, 25)
    return frame


def written(path: Path, frames: list[VideoFrame], crop: Crop | None = None) -> tuple[str, ...]:
    with av.open(str(path), "w", format="mp4") as container:
        track = VideoTrack(
            container,
            frames[0],
            tick=Fraction(1, 25),
            rate=Fraction(25),
            aspect=Fraction(4, 3),
            crop=crop,
            matrix=None,
            crf=5,
        )
        for number, frame in enumerate(frames):
            track.add(frame, number, 1)
        track.finish()
        return tuple(track.notes)


@pytest.mark.parametrize(
    ("name", "size", "coded"),
    [
        ("yuv422p", (192, 96), "yuv422p"),
        ("yuv420p10le", (192, 96), "yuv420p10le"),
        ("yuv420p", (193, 97), "yuv444p"),
        ("rgb24", (192, 96), "yuv420p"),
        ("yuv420p12le", (192, 96), "yuv420p10le"),
    ],
)
def test_formats_are_kept_where_the_encoder_has_them(
    tmp_path: Path, name: str, size: tuple[int, int], coded: str
) -> None:
    path = tmp_path / "a.mp4"
    assert written(path, [frame_of(*size, name)]) == ()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.pix_fmt, stream.sample_aspect_ratio) == (coded, Fraction(4, 3))
        assert (stream.width, stream.height) == size


def test_edges_that_are_not_shown_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    written(path, [frame_of(192, 96, "yuv420p")], Crop(top=7, bottom=9, left=3, right=5))
    whole = frame_of(192, 96, "yuv420p").to_ndarray(format="rgb24")
    cut = shown(path)[0][1]
    assert cut.shape == (80, 184, 3)
    assert np.abs(cut.astype(int) - whole[7:-9, 3:-5]).mean() < 4


def test_a_size_that_changes_is_scaled_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    notes = written(path, [frame_of(192, 96, "yuv420p"), frame_of(96, 48, "yuv420p")])
    assert notes == ("its frames change size; all have that of the first, 192 x 96",)
    assert [image.shape for _, image in shown(path)] == [(96, 192, 3)] * 2
