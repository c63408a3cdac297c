from pathlib import Path

from benchmarks.clip_cache import measure
from schemas.clips import UNIT, ClipFormat
from schemas.videos import Video
from tests.support.videos import Clip, write_video


def test_decoded_and_cached_clips_are_equal(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", Clip(frames=20, width=96, height=64))
    clip_format = ClipFormat(frames=4, height=56, width=56, resize=(64,), fps=None, **UNIT)
    result = measure([Video("a", str(path)), Video("b", str(path))], clip_format, tmp_path / "cache", repeats=1)
    assert result["clips"] == 2
    assert min(*result["clips_per_second"].values(), result["bytes_per_clip"]) > 0
