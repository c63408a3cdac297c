"""Windows along a video in one pass, compared with as many single clips.

    python benchmarks/windows.py [VIDEO …] [--step 0.5] [--repeats 3] [--json FILE]

Without videos it generates its own, in containers with and without an index. Both contenders decode the same windows,
to the bit, of 16 frames of 112 x 112, consecutive ones or 8 a second. They take turns, and the medians of their CPU
seconds are compared. `ahead` is how many seconds of video a core decodes in a second.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import alternating_cpu_seconds, write_json
from extractors.clips.decode import ClipRequest, decode_clips
from extractors.clips.frame_times import list_times
from extractors.clips.sampling import ClipSampling
from extractors.clips.windows import WindowRequest, decode_windows
from extractors.video.media import open_media
from schemas.clips import UNIT, ClipFormat
from tests.support.videos import Clip, write_video

START = ClipSampling(placement="start")
FORMATS = {
    name: ClipFormat(frames=16, height=112, width=112, resize=(128, 171), fps=fps, **UNIT)
    for name, fps in (("consecutive", None), ("8 fps", "8"))
}
GENERATED = {
    "h264-720p.mp4": Clip(frames=750, width=1280, height=720, options={"preset": "fast"}),
    "h264-720p.ts": Clip(frames=750, width=1280, height=720, options={"preset": "fast"}),
}


def starts_of(path: Path, clip_format: ClipFormat, step_seconds: Fraction) -> tuple[list[Fraction], float]:
    """The starts of all windows, and the length of the video in seconds."""
    clips = ClipRequest(clip_format, START, 0, Fraction(0), None)
    request = WindowRequest(clips=clips, step_seconds=step_seconds, first_seconds=Fraction(0), stop_seconds=None)
    with open_media(path) as media:
        times, tick = list_times(media), media.video.time_base
        assert tick is not None
        seconds = float((times.end_pts - times.origin) * tick)
        return [start for _, start in request.starts(times, tick)], seconds


def in_one_pass(path: Path, clip_format: ClipFormat, step_seconds: Fraction) -> int:
    """The sum of the pixels of all windows."""
    windows = decode_windows(path, clip_format, step_seconds=step_seconds)
    return sum(int(clip.sum(dtype=np.int64)) for _, clip in windows)


def one_by_one(path: Path, clip_format: ClipFormat, starts: list[Fraction]) -> int:
    """The sum of the pixels of clips with these starts."""
    clips = (decode_clips(path, clip_format, START, start_seconds=start) for start in starts)
    return sum(int(clip.sum(dtype=np.int64)) for clip in clips)


def measure(path: Path, clip_format: ClipFormat, step_seconds: Fraction, repeats: int) -> dict[str, Any]:
    """CPU seconds of both contenders for one video."""
    starts, seconds = starts_of(path, clip_format, step_seconds)
    contenders: dict[str, Callable[[], int]] = {
        "one pass": partial(in_one_pass, path, clip_format, step_seconds),
        "single clips": partial(one_by_one, path, clip_format, starts),
    }
    spent, sums = alternating_cpu_seconds(contenders, repeats)
    assert sums["one pass"] == sums["single clips"], "the windows are other clips"
    return {
        "windows": len(starts),
        "cpu_seconds": spent,
        "ratio": spent["single clips"] / spent["one pass"],
        "ahead": seconds / spent["one pass"],
    }


def main() -> None:
    """Measure every video in every format."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--step", type=Fraction, default=Fraction(1, 2))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        videos = arguments.videos or [write_video(Path(folder, name), clip) for name, clip in GENERATED.items()]
        print(f"{'video':24}{'frames':>14}{'windows':>9}{'one pass':>10}{'single':>9}{'ratio':>7}{'ahead':>7}")
        for path in videos:
            for name, clip_format in FORMATS.items():
                found = measure(path, clip_format, arguments.step, arguments.repeats)
                results[f"{path.name}, {name}"] = found
                one, single = found["cpu_seconds"].values()
                print(
                    f"{path.name:24}{name:>14}{found['windows']:9}{one:8.2f} s{single:7.2f} s{found['ratio']:7.2f}"
                    f"{found['ahead']:7.1f}"
                )
    write_json(arguments.json, results)


if __name__ == "__main__":
    main()
