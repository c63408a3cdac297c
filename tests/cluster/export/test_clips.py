from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.export.clips import clips_of, videos_of
from cluster.export.config import ExportOptions
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from schemas.errors import InputError
from tests.support.clips import trained_clips, write_clip_videos


def options(**changes: object) -> ExportOptions:
    return ExportOptions.of(checkpoint="c", output="model.onnx", **changes)


def test_a_clip_of_each_video_that_can_be_decoded(tmp_path: Path) -> None:
    paths = write_clip_videos(tmp_path / "videos", 2)
    (tmp_path / "videos" / "v1.mp4").write_bytes(b"no video")
    clips = trained_clips().config.clips
    assert clips is not None
    found = list(clips_of(videos_of([str(tmp_path / "videos")], options()), clips, options()))
    assert len(found) == 2
    for path, clip in zip(paths, found, strict=True):
        np.testing.assert_array_equal(clip, decode_clips(str(path), clips.format, ClipSampling())[0])


def test_at_most_so_many_videos_spread_over_the_list(tmp_path: Path) -> None:
    write_clip_videos(tmp_path, 5)
    assert [video.id for video in videos_of([str(tmp_path)], options(max_videos=3))] == ["v00000", "v00002", "v00004"]


def test_nothing_to_decode_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    clips = trained_clips().config.clips
    assert clips is not None
    with pytest.raises(InputError, match="none of 1 videos could be decoded"):
        list(clips_of(videos_of([str(tmp_path)], options()), clips, options()))
    with pytest.raises(InputError):
        videos_of([str(tmp_path / "missing")], options())
