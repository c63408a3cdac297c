"""Small data sets that can be learnt from, and trainings on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from classifiers.training.workers import SingleWorker
from cluster.training.config import TrainingOptions
from cluster.training.data import identity_of
from cluster.training.kinds import load_training_data
from cluster.training.progress import StageProgress
from cluster.training.worker import TrainingOutcome, TrainingPlan, TrainingWorker
from schemas.codes import Codes
from schemas.features import AUDIO_DIM, FeatureRow
from schemas.trainings import TrainingRecord
from tests.support.features import FINGERPRINT, write_shard

DIM = 16
CLASSES = 3
NAMES = "cat\ndog\nfish\n"
# What a finished training leaves.
FILES = {
    "model.safetensors",
    "config.json",
    "history.json",
    "training.json",
    "training.toml",
    "training.html",
    "tensorboard",
}


def write_features(
    folder: Path, videos: int = 300, *, shards: int = 3, frames: int = 0, first: int = 0, **options: Any
) -> Path:
    """Videos of three classes in different directions, with noise; every fifth has a second label."""
    centres = np.random.default_rng(99).standard_normal((CLASSES, DIM + AUDIO_DIM)).astype(np.float32)
    rows = [_row(number, centres, frames) for number in range(first, first + videos)]
    size = -(-videos // shards)
    for number, start in enumerate(range(0, videos, size)):
        path = folder / "features" / f"part-{first}-{number}.parquet"
        write_shard(path, rows[start : start + size], options.get("fingerprint", FINGERPRINT), 40)
    (folder / "vocabulary.csv").write_text(NAMES)
    return folder


def _row(number: int, centres: np.ndarray, frames: int) -> FeatureRow:
    rng = np.random.default_rng(number)
    label = int(rng.choice(CLASSES, p=[0.5, 0.3, 0.2]))
    features = centres[label] + 4 * rng.standard_normal(len(centres[0]), np.float32)
    count = int(rng.integers(1, frames + 1)) if frames else 0
    # Codes of one byte around the middle; what they mean in numbers does not matter here.
    codes = np.clip(128 + 20 * (features + rng.standard_normal((count, len(features)))), 0, 255).astype(np.uint8)
    return FeatureRow(
        id=f"v{number:05d}",
        labels=(label, (label + 1) % CLASSES) if number % 5 == 0 else (label,),
        mean_rgb=features[:DIM],
        mean_audio=features[DIM:],
        has_audio=True,
        num_frames=count or 7,
        duration_seconds=float(count or 7),
        uri=f"in/{number}.mp4",
        rgb=Codes.of(codes[:, :DIM]) if frames else None,
        audio=Codes.of(codes[:, DIM:]) if frames else None,
    )


def training_config(features: Path, output: Path, **options: Any) -> TrainingOptions:
    """A short training in this process."""
    defaults = {"epochs": 3, "batch_size": 32, "engine": "local", "cpus_per_worker": 1, "learning_rate": 0.01}
    return TrainingOptions.of(output=str(output), features=(str(features),), **{**defaults, **options})


def plan_of(options: TrainingOptions) -> TrainingPlan:
    """What an engine is given."""
    settings = options.settings()
    data = load_training_data(settings)
    threads = options.engine.cpus_per_worker or 1
    return TrainingPlan(settings, data, identity_of(data), threads)


def train_here(plan: TrainingPlan, show: Callable[[StageProgress], None] | None = None) -> TrainingOutcome:
    """The outcome of a training in this process; `show` gets the progress after every batch."""
    plan = replace(plan, progress_every_seconds=0.0)
    return TrainingWorker(plan, SingleWorker(), 1, device=torch.device("cpu"), report=lambda record: None, show=show)()


def curve(history: Any) -> list[Any]:
    """What must be equal of two histories: all but the seconds."""
    epochs = getattr(history, "epochs", history)
    return [(epoch.epoch, epoch.learning_rate, dict(epoch.training), dict(epoch.validation)) for epoch in epochs]


def record_of(output: Path) -> TrainingRecord:
    """The record in a training's output."""
    return TrainingRecord.from_json((output / "training.json").read_text())


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


def clip_config(videos: Path, output: Path, **options: Any) -> TrainingOptions:
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
    return TrainingOptions.of(output=str(output), videos=str(videos), **{**defaults, **options})
