"""Optical flow beside decoding, and TV-L1 beside OpenCV's.

    python benchmarks/flow.py [VIDEO …] [--frames 16] [--threads 1] [--peer PYTHON] [--json FILE]

Decodes the central clip of each video as I3D takes it, RGB and flow, and prints milliseconds of CPU for a frame: of
decoding and resizing alone, and of the flow that comes on top, by either method. Without videos it generates one.

`--peer` is the Python of an environment with opencv-contrib-python-headless, which cannot be installed beside OpenCV:
the same grey frames go through its `DualTVL1OpticalFlow`, and the distances between the ends of the vectors, in pixels,
are printed. DIS is compared with it as well.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import write_json
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from extractors.flow.fields import METHODS, grey
from schemas.clips import SIGNED, ClipFormat
from tests.support.videos import Clip, write_video

PEER = """
import sys, time
import cv2, numpy as np
cv2.setNumThreads(1)
frames = np.load(sys.argv[1])
method = cv2.optflow.createOptFlow_DualTVL1()
started = time.process_time()
flow = np.stack([method.calc(*pair, None) for pair in zip(frames[:-1], frames[1:])])
np.savez(sys.argv[2], flow=flow, seconds=time.process_time() - started)
"""


def measure(path: Path, frames: int, peer: str | None) -> dict[str, Any]:
    """Milliseconds a frame of one video, and the distances of both methods from the peer's flow."""
    form = ClipFormat(frames=frames + 1, height=256, width=256, resize=(256,), fps="25", **SIGNED)
    started = time.process_time()
    (clip,) = decode_clips(path, form, ClipSampling())
    result: dict[str, Any] = {"decode": (time.process_time() - started) * 1e3 / len(clip)}
    greys = np.stack([grey(frame) for frame in clip])
    images = torch.from_numpy(greys)
    flows = {}
    for name, method in METHODS.items():
        method(images[:1], images[1:2])  # loads its library
        started = time.process_time()
        flows[name] = np.concatenate([method(images[at : at + 1], images[at + 1 : at + 2]) for at in range(frames)])
        result[name] = (time.process_time() - started) * 1e3 / frames
    if peer is not None:
        with tempfile.TemporaryDirectory() as folder:
            given, found = Path(folder, "frames.npy"), Path(folder, "flow.npz")
            np.save(given, greys)
            subprocess.run([peer, "-c", PEER, str(given), str(found)], check=True)
            with np.load(found) as arrays:
                theirs, seconds = arrays["flow"].transpose(0, 3, 1, 2), float(arrays["seconds"])
        result["peer"] = seconds * 1e3 / frames
        result["length"] = float(np.linalg.norm(theirs, axis=1).mean())
        for name, flow in flows.items():
            distances = np.linalg.norm(flow - theirs, axis=1)
            result[f"{name}_distance"] = {"mean": float(distances.mean()), "median": float(np.median(distances))}
    return result


def main() -> None:
    """Measure every video."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peer")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        generated = Clip(frames=100, width=640, height=360)
        for path in arguments.videos or [write_video(Path(folder, "generated.mp4"), generated)]:
            found = results[path.name] = measure(path, arguments.frames, arguments.peer)
            print(f"{path.name}: decoding {found['decode']:.1f} ms a frame", end="")
            for name in METHODS:
                print(f", {name} {found[name]:.1f} ms ({found[name] / found['decode']:.1f} times)", end="")
            if arguments.peer is not None:
                print(f"; OpenCV's TV-L1 {found['peer']:.0f} ms, vectors of {found['length']:.2f} pixels", end="")
                for name in METHODS:
                    off = found[f"{name}_distance"]
                    print(f", {name} {off['mean']:.3f} off (median {off['median']:.3f})", end="")
            print()
    write_json(arguments.json, results)


if __name__ == "__main__":
    main()
