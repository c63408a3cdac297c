"""An epoch of clips, decoded from the videos or read from the cache.

    python benchmarks/clip_cache.py [VIDEO …] [--repeats 3] [--json FILE]

Without videos it generates its own: small ones, as in old data sets, and large ones. Both contenders deliver the clips
of every video once, in the same order, with one thread and in two formats: 16 frames of 112 x 112, and 64 of 224 x 224.
They take turns, and the medians of their CPU seconds are compared. The cost of filling the cache is listed separately.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import alternating_cpu_seconds, write_json
from cluster.clips.cache import ClipCache, clip_form, clip_row
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from schemas.clips import UNIT, ClipFormat
from schemas.videos import Video
from tests.support.videos import Clip, write_video

FORMATS = {
    "16 x 112 x 112": ClipFormat(frames=16, height=112, width=112, resize=(128, 171), fps=None, **UNIT),
    "64 x 224 x 224": ClipFormat(frames=64, height=224, width=224, resize=(256,), fps="25", **UNIT),
}
SAMPLING = ClipSampling()
GENERATED = {
    "mpeg4-240p": (".avi", Clip("mpeg4", 180, width=320, height=240, gop=12)),
    "h264-240p": (".mp4", Clip(frames=180, width=320, height=240)),
    "h264-720p": (".mp4", Clip(frames=250, width=1280, height=720)),
}
COPIES = 4  # of each generated video, so that the cache has several rows


def generate_videos(folder: Path) -> dict[str, list[Path]]:
    """`COPIES` videos of each kind of `GENERATED`."""
    kinds: dict[str, list[Path]] = {}
    for name, (suffix, clip) in GENERATED.items():
        first = write_video(folder / f"{name}-0{suffix}", clip)
        kinds[name] = [first]
        for number in range(1, COPIES):
            copy = folder / f"{name}-{number}{suffix}"
            copy.hardlink_to(first)
            kinds[name].append(copy)
    return kinds


def decode_epoch(videos: list[Video], clip_format: ClipFormat) -> int:
    """The sum of all clips' pixels, decoded from the videos."""
    return sum(int(decode_clips(video.uri, clip_format, SAMPLING).sum(dtype=np.int64)) for video in videos)


def cached_epoch(cache: ClipCache, videos: list[Video]) -> int:
    """The sum of all clips' pixels, read from the cache."""
    index = cache.index()
    return sum(int(cache.clips(index[video.id]).sum(dtype=np.int64)) for video in videos)


def measure(videos: list[Video], clip_format: ClipFormat, root: Path, repeats: int) -> dict[str, Any]:
    """Clips per CPU second of both contenders."""
    with ClipCache(str(root), clip_form(clip_format, SAMPLING)) as cache:
        started = time.process_time()
        cache.write(
            clip_row(video, (), decode_clips(video.uri, clip_format, SAMPLING), clip_format.fps) for video in videos
        )
        filling_seconds = time.process_time() - started
        contenders: dict[str, Callable[[], int]] = {
            "decoded": partial(decode_epoch, videos, clip_format),
            "cached": partial(cached_epoch, cache, videos),
        }
        seconds, sums = alternating_cpu_seconds(contenders, repeats)
    assert abs(sums["decoded"] - sums["cached"]) < 0.02 * sums["decoded"], "the cache holds other clips"
    return {
        "clips": len(videos),
        "clips_per_second": {name: len(videos) / spent for name, spent in seconds.items()},
        "ratio": seconds["decoded"] / seconds["cached"],
        "filling_seconds": filling_seconds,
        "bytes_per_clip": sum(path.stat().st_size for path in root.iterdir()) / len(videos),
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, dict[str, Any]] = {}
    print(f"{'clips per CPU second':34}{'decoded':>9}{'cached':>9}{'ratio':>8}{'KB/clip':>11}{'filling':>10}")
    with tempfile.TemporaryDirectory() as folder:
        kinds = {"given": arguments.videos} if arguments.videos else generate_videos(Path(folder))
        for kind, paths in kinds.items():
            videos = [Video(str(number), str(path)) for number, path in enumerate(paths)]
            for name, clip_format in FORMATS.items():
                result = measure(videos, clip_format, Path(folder, f"cache {kind} {name}"), arguments.repeats)
                results[f"{kind}, {name}"] = result
                rates = "".join(f"{rate:>9.1f}" for rate in result["clips_per_second"].values())
                size, filling = result["bytes_per_clip"] / 1000, result["filling_seconds"]
                print(f"{f'{kind}, {name}':34}{rates}{result['ratio']:>8.2f}{size:>11.0f}{filling:>8.2f} s")
    write_json(arguments.json, results)


if __name__ == "__main__":
    main()
