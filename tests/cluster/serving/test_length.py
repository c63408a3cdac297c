from __future__ import annotations

import pytest

from cluster.serving.length import LengthStage, VideoLength, grid_points
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video
from tests.support.videos import Clip, write_video


def test_a_length_is_told_and_limits_hold(tmp_path):
    path = str(write_video(tmp_path / "v.mp4", Clip(frames=50, width=96, height=48)))
    video = Video("id", path)
    assert LengthStage(1 << 20, 10.0)(path, video) == (VideoLength(2.0, 96, 48, "h264"), [])
    for stage, code in (
        (LengthStage(1 << 20, 1.5), FailureCode.TOO_LONG),
        (LengthStage(1000, 10.0), FailureCode.ABSURD_DIMENSIONS),
    ):
        with pytest.raises(VideoError) as caught:
            stage(path, video)
        assert caught.value.code == code
        assert "--" not in caught.value.message or code != FailureCode.TOO_LONG


def test_grid_points_of_the_longest_video():
    assert grid_points(10.0, "25") == 276
    assert grid_points(0.1, "30000/1001") == 33
