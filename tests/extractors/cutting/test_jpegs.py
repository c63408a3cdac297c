"""JPEGs of clips: upright, scaled down, one for each frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from extractors.cutting import jpegs
from extractors.cutting.frame_list import list_frames
from extractors.cutting.jpegs import JpegClip, jpeg_clips
from extractors.cutting.span import CutError
from extractors.video.jpeg import decode_jpegs
from tests.support.cutting import span_of
from tests.support.videos import Clip, read_number, write_video


def test_frames_are_scaled_down_and_never_up(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=30, b_frames=2))
    frames = list_frames(str(path))
    spans = [span_of(frames, 3, 9, tmp_path / "a"), span_of(frames, 5, 29, tmp_path / "b")]
    found = dict(jpeg_clips(path, frames, spans, 48))
    for span, first in zip(spans, (3, 5), strict=True):
        clip = found[span]
        assert isinstance(clip, JpegClip)
        assert (clip.height, clip.width) == (48, 96)
        numbers = [read_number(image) for image in decode_jpegs(clip.jpegs)]
        assert numbers == list(range(first, first + len(span.timestamps)))
    (large,) = dict(jpeg_clips(path, frames, spans[:1], 1000)).values()
    assert isinstance(large, JpegClip)
    assert (large.height, large.width) == (96, 192)


def test_a_turned_video_is_upright(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=5, rotation=90))
    frames = list_frames(str(path))
    ((_, clip),) = jpeg_clips(path, frames, [span_of(frames, 0, 1, tmp_path / "a")], 48)
    assert isinstance(clip, JpegClip)
    assert (clip.height, clip.width) == (96, 48)


def test_a_clip_too_large_for_a_record_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpegs, "MAX_BYTES", 10_000)
    path = write_video(tmp_path / "a.mp4", Clip(frames=30))
    frames = list_frames(str(path))
    ((_, clip),) = jpeg_clips(path, frames, [span_of(frames, 0, 29, tmp_path / "a")], 96)
    assert isinstance(clip, CutError)
    assert "--record-size" in str(clip)
