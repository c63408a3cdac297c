"""The baseline pipeline: in one process, OpenCV decodes every frame and Inception embeds one frame a second.

    python benchmarks/baseline_pipeline.py CLIP … [--json FILE]

The network is eager, float32 and takes one frame at a time; torch and OpenCV use their default numbers of threads.
There is no sound, no PCA and no output, all of which would make it slower.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import torch

from benchmarks.measure import write_json
from extractors.networks.sizes import IMAGE_SIZE
from extractors.weights.pretrained import build_inception
from extractors.weights.resolve import ResolvedWeights


@dataclass(frozen=True)
class BaselineRun:
    """Frames embedded, and seconds by the clock without loading the network."""

    frames: int
    wall_seconds: float


def run_baseline(clips: Sequence[str]) -> BaselineRun:
    """Embed one frame a second of each clip."""
    network, _ = build_inception(ResolvedWeights("frames", "random:0", seed=0))
    frames = 0
    with torch.inference_mode():
        network.forward_features(torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE))
        started = time.perf_counter()
        for clip in clips:
            capture = cv2.VideoCapture(clip)
            second = 0
            while True:
                is_read, image = capture.read()
                if not is_read:
                    break
                if capture.get(cv2.CAP_PROP_POS_MSEC) < 1000 * second:
                    continue
                second += 1
                frames += 1
                pixels = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), (IMAGE_SIZE, IMAGE_SIZE))
                row = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1  # (1, 3, H, W)
                network.forward_features(row)
    return BaselineRun(frames, time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    run = run_baseline(arguments.clips)
    print(f"{run.frames} frames in {run.wall_seconds:.1f} s: {run.frames / run.wall_seconds:.1f} frames/s")
    write_json(arguments.json, asdict(run))


if __name__ == "__main__":
    main()
