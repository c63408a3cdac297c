"""Tiny videos that can be told apart, and trainings of clip classifiers on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np

from cluster.training_config import ClassifierTrainingConfig

# What a class looks like on the average: (red, green, blue).
COLOURS = {"blue": (70, 80, 170), "green": (70, 170, 80), "red": (170, 80, 70)}
SMALL = ("frames=16", "height=16", "width=16", "width_factor=0.05", "pixels=signed")
FEATURES = 205  # of such a model: 0.05 of 4,096


def write_videos(folder: Path, each: int = 10, *, classes: int = 3, frames: int = 20) -> Path:
    """`each` videos of every class, in a folder of its name: noise around its colour."""
    for name, colour in list(COLOURS.items())[:classes]:
        for number in range(each):
            write_clip(folder / name / f"{number:03d}.mp4", colour, number, frames)
    return folder


def write_clip(path: Path, colour: tuple[int, int, int], seed: int, frames: int = 20) -> Path:
    """One video, 32 x 24 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng((seed, *colour))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for _ in range(frames):
            noise = np.repeat(np.repeat(rng.normal(0, 60, (6, 8, 3)), 4, 0), 4, 1)
            image = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def clip_config(videos: Path, output: Path, **options: Any) -> ClassifierTrainingConfig:
    """A short training of a small C3D in this process."""
    defaults: dict[str, Any] = {
        "model": "c3d",
        "model_options": SMALL,
        "batch_size": 4,
        "engine": "local",
        "cpus_per_worker": 1,
        "fractions": ("0.6", "0.2", "0.2"),
        **({} if "phases" in options or "recipe" in options else {"epochs": 2}),
        "optimizer": "sgd",
        "learning_rate": 0.02,
    }
    return ClassifierTrainingConfig(str(output), videos=str(videos), **{**defaults, **options}).resolved()
