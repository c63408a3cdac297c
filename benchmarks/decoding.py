"""Sampling one frame a second: CPU seconds of ours, PyAV, OpenCV and decord on the same files.

    python benchmarks/decoding.py CLIP … [--repeats 5] [--json FILE]

Without clips it generates its own. Each contender delivers RGB frames at 1 fps with one thread. Contenders take turns
within each repeat, and the medians of their CPU seconds (user + system) are compared. All but ours decode every frame:
OpenCV and PyAV select by timestamp, decord by its index of the file's timestamps. Our frames must be bit-identical to
those that a full decode shows at the same times; otherwise the benchmark fails.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENCV_FFMPEG_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import alternating_cpu_seconds, geometric_mean, write_json
from benchmarks.sample_clips import natural_clips
from extractors.video.decode import sample_frames

try:
    import decord
except ImportError:  # not built for every machine and Python
    decord = None

cv2.setNumThreads(1)


def ours(path: str) -> int:
    """Selective decoding."""
    return sum(1 for _ in sample_frames(path))


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


def by_decord(path: str) -> int:
    """Decord, the frames on screen at whole seconds in one call."""
    reader = decord.VideoReader(path, num_threads=1)
    starts = reader.get_frame_timestamp(range(len(reader)))[:, 0]  # (frames,) seconds
    seconds = np.arange(starts[0], starts[-1] + 1e-3)
    return len(reader.get_batch(np.searchsorted(starts, seconds + 1e-3, side="right") - 1).asnumpy())


CONTENDERS: dict[str, Callable[[str], int]] = {"ours": ours, "PyAV": pyav, "OpenCV": opencv}
if decord is not None:
    CONTENDERS["decord"] = by_decord


def on_screen(path: str) -> Iterator[NDArray[np.uint8]]:
    """The frames on screen at each whole second, from a full decode by PyAV: the reference."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        shown: tuple[int, Any] | None = None
        assert stream.time_base is not None
        second, origin = 0, 0
        for frame in container.decode(stream):
            assert frame.pts is not None
            if shown is None:
                origin = frame.pts
            else:
                while Fraction(frame.pts - origin) * stream.time_base > second:
                    yield shown[1]
                    second += 1
            shown = frame.pts, frame.to_ndarray(format="rgb24")
        if shown is not None and Fraction(shown[0] - origin) * stream.time_base >= second:
            yield shown[1]


def are_equal(path: str) -> bool:
    """Whether our frames equal those of a full decode; ours may have one more, at the last second."""
    samples = (sample.image for sample in sample_frames(path))
    return all(np.array_equal(theirs, next(samples, None)) for theirs in on_screen(path))  # type: ignore[arg-type]


def measure(clip: str, repeats: int) -> dict[str, Any]:
    """Medians of the CPU seconds of each contender on one clip."""
    calls = {name: partial(contender, clip) for name, contender in CONTENDERS.items()}
    seconds, frames = alternating_cpu_seconds(calls, repeats)
    ratios = {name: seconds[name] / seconds["ours"] for name in seconds if name != "ours"}
    return {
        "clip": Path(clip).name,
        "frames": frames,
        "equal_to_full_decode": are_equal(clip),
        "cpu_seconds": seconds,
        "ratios": ratios,
    }


def main() -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = arguments.clips or [str(clip) for clip in natural_clips(Path(folder))]
        results = [measure(clip, arguments.repeats) for clip in clips]
    others = [name for name in CONTENDERS if name != "ours"]
    print(f"{'CPU seconds':26}{'frames':>7}{'equal':>6}" + "".join(f"{name:>9}" for name in CONTENDERS), end="")
    print("".join(f"{name + '/ours':>13}" for name in others))
    for result in results:
        print(f"{result['clip'][:25]:26}{result['frames']['ours']:>7}", end="")
        print(f"{'yes' if result['equal_to_full_decode'] else 'NO':>6}", end="")
        print("".join(f"{result['cpu_seconds'][name]:>9.3f}" for name in CONTENDERS), end="")
        print("".join(f"{result['ratios'][name]:>13.2f}" for name in others))
    means = {name: geometric_mean(result["ratios"][name] for result in results) for name in others}
    print("geometric mean".ljust(39 + 9 * len(CONTENDERS)) + "".join(f"{means[name]:>13.2f}" for name in others))
    write_json(arguments.json, {"clips": results, "geometric_means": means})
    return 0 if all(result["equal_to_full_decode"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
