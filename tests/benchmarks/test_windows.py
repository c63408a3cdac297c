from fractions import Fraction
from pathlib import Path

from benchmarks.windows import measure
from schemas.clips import UNIT, ClipFormat
from tests.support.videos import Clip, write_video


def test_windows_and_single_clips_are_equal(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", Clip(frames=60, width=96, height=64))
    clip_format = ClipFormat(frames=4, height=56, width=56, resize=(64,), fps=None, **UNIT)
    result = measure(path, clip_format, Fraction(1, 2), repeats=1)
    assert result["windows"] == 5
    assert min(*result["cpu_seconds"].values(), result["ratio"], result["ahead"]) > 0
