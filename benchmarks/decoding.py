"""Decoding at 1 frame a second, side by side: ours, ours without selection, PyAV and OpenCV.

    python benchmarks/decoding.py CLIP … [--repeats 5] [--json FILE]

Without clips it draws its own. Each contender gives RGB pictures at 1 fps of the same file, single-threaded; contenders
take turns within each repeat, and the medians of their CPU seconds are compared. OpenCV and PyAV decode every frame, as
extractors do that sample by counting.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENCV_FFMPEG_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import av
import cv2

from extractors.decode import sample_frames

cv2.setNumThreads(1)


def ours(path: str) -> int:
    """Selective decoding."""
    return sum(1 for _ in sample_frames(path))


def ours_full(path: str) -> int:
    """The same without selection."""
    return sum(1 for _ in sample_frames(path, selective=False))


def pyav(path: str) -> int:
    """PyAV, every frame decoded, the ones at whole seconds converted."""
    count = 0
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        start = None
        for frame in container.decode(stream):
            start = frame.time if start is None else start
            if frame.time - start >= count:
                frame.to_ndarray(format="rgb24")
                count += 1
    return count


def opencv(path: str) -> int:
    """OpenCV, every frame decoded, the ones at whole seconds converted."""
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    count = 0
    while capture.grab():
        if capture.get(cv2.CAP_PROP_POS_MSEC) >= 1000 * count:
            _, image = capture.retrieve()
            cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            count += 1
    return count


CONTENDERS: dict[str, Callable[[str], int]] = {"ours": ours, "ours, full": ours_full, "PyAV": pyav, "OpenCV": opencv}


def cpu_seconds(contender: Callable[[str], int], path: str) -> tuple[float, int]:
    """CPU seconds of all threads, and how many pictures came out."""
    started = time.process_time()
    count = contender(path)
    return time.process_time() - started, count


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("clips", nargs="*")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = arguments.clips or drawn_clips(Path(folder))
        results = [measure(clip, arguments.repeats) for clip in clips]
    print(f"{'clip':28} {'frames':>6} " + " ".join(f"{name:>11}" for name in CONTENDERS) + "   OpenCV/ours  PyAV/ours")
    for result in results:
        seconds = result["seconds"]
        print(
            f"{result['clip'][:28]:28} {result['frames']:6d} "
            + " ".join(f"{seconds[name]:10.3f}s" for name in CONTENDERS)
            + f"  {seconds['OpenCV'] / seconds['ours']:11.2f} {seconds['PyAV'] / seconds['ours']:10.2f}"
        )
    for other in ("OpenCV", "PyAV"):
        ratios = [result["seconds"][other] / result["seconds"]["ours"] for result in results]
        print(f"geometric mean, {other} / ours: {math.exp(statistics.fmean(map(math.log, ratios))):.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def measure(clip: str, repeats: int) -> dict[str, object]:
    """Medians of the CPU seconds of each contender on one clip."""
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    frames = 0
    for contender in CONTENDERS.values():
        contender(clip)  # libraries load, the file comes into memory
    for _ in range(repeats):
        for name, contender in CONTENDERS.items():
            seconds, count = cpu_seconds(contender, clip)
            times[name].append(seconds)
            frames = count if name == "ours" else frames
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {"clip": Path(clip).name, "frames": frames, "seconds": medians}


def drawn_clips(folder: Path) -> list[str]:
    """A few clips of our own, for want of real ones."""
    from tests.videos import Clip, write_video

    clips = {
        "h264-720p.mp4": Clip(frames=750, width=1280, height=720, options={"preset": "medium"}),
        "hevc-720p.mp4": Clip("libx265", 250, width=1280, height=720, options={"x265-params": "log-level=none"}),
        "vp9-360p.webm": Clip("libvpx-vp9", 500, width=640, height=360, options={"cpu-used": "8"}),
    }
    return [str(write_video(folder / name, clip)) for name, clip in clips.items()]


if __name__ == "__main__":
    main()
