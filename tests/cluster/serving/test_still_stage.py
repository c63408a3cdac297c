from __future__ import annotations

from fractions import Fraction

import pytest

from cluster.serving.still_stage import LONG_SIDE, StillStage
from extractors.video.still import video_still
from schemas.outcomes import VideoError
from schemas.videos import Video
from tests.support.videos import Clip, write_video


def test_a_picture_is_that_of_the_videos_start(tmp_path):
    path = str(write_video(tmp_path / "v.avi", Clip(codec="mpeg4", frames=50)))
    at = Fraction(7, 10)
    found, others = StillStage(1 << 20)(path, Video("id", path, start_seconds=at))
    assert found == video_still(path, at, long_side=LONG_SIDE)
    assert found.seconds == pytest.approx(0.68, abs=0.03)
    assert others == []
    with pytest.raises(VideoError):
        StillStage(1000)(path, Video("id", path))
