"""Training records made of made-up logits, measured by the classifiers' own metrics."""

import dataclasses
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.metrics.evaluation import Evaluation
from cluster.training.results import split_result, temperature_fit
from schemas.trainings import Epoch, TrainedClass, TrainingMachine, TrainingRecord

SIZES = {"training": 3000, "validation": 900, "test": 600}
GENRES = (
    *("Game", "Vehicle", "Concert", "Cartoon", "Food", "Musician", "Dance", "Animal", "Music Video"),
    *("Performance Art", "Motorsport", "Association football", "Smartphone", "Video game console"),
)


@cache
def training_record(
    num_classes: int = 10, *, task: str = "single-label", splits: tuple[str, ...] = ("validation", "test")
) -> TrainingRecord:
    """A training whose classes get rarer as their positions grow; neighbours are easily taken for each other."""
    random = np.random.default_rng(num_classes)
    results, videos = [], {}
    fit = None
    for name, size in SIZES.items():
        logits, targets = _made_up(random, size, num_classes, task)
        videos[name] = (
            targets.sum(axis=0).astype(int) if targets.ndim == 2 else np.bincount(targets, minlength=num_classes)
        )
        if name == "validation" and name in splits:
            fit = temperature_fit(logits, targets, task)
        if name in splits:
            evaluation = Evaluation(task, num_classes, is_full=True, temperature=fit.temperature if fit else 1.0)
            ids = [f"{name}/2025/video_{i:06d}" for i in range(size)]
            evaluation.update(torch.from_numpy(logits), torch.from_numpy(targets), ids)
            results.append(split_result(name, evaluation, seconds=1.25))
    classes = (
        TrainedClass(
            name=GENRES[i] if i < len(GENRES) else f"Entity {i}",
            index=2 * i,
            videos={name: int(counts[i]) for name, counts in videos.items()},
        )
        for i in range(num_classes)
    )
    history = _history(20, has_validation="validation" in splits)
    return TrainingRecord(
        command=("python", "jobs/train_classifier.py", "--features", "my features", "--output", "out"),
        started_at="2025-01-31T06:00:00Z",
        finished_at="2025-01-31T06:03:20Z",
        configuration={"batch_size": 256, "classes": [f"first:{num_classes}"], "patience": None, "vocabulary": ""},
        model="dense-5",
        parameters=295_625,
        level="video",
        task=task,
        monitor="loss",
        seed=0,
        rgb_dim=1024,
        audio_dim=128,
        classes=tuple(classes),
        split_sizes=dict(SIZES),
        history=history,
        best_epoch=8 if "validation" in splits else 19,
        stopped_early=False,
        resumed_at_epoch=(4,),
        splits=tuple(results),
        temperature=fit,
        seconds_by_stage={"opening": 3.5, "training": 170.25, "evaluation": 21.0, "calibration": 2.75},
        machine=TrainingMachine(engine="local", workers=1, device="cpu", cpus=2),
        versions={"python": "3.11.7", "torch": "2.13.0"},
        feature_fingerprint={"fps": "1", "weights": "inception-2015"},
    )


def renamed(record: TrainingRecord, names: Sequence[str]) -> TrainingRecord:
    """The same training with other names of its classes."""
    classes = (dataclasses.replace(one, name=name) for one, name in zip(record.classes, names, strict=True))
    return dataclasses.replace(record, classes=tuple(classes))


def _made_up(
    random: np.random.Generator, size: int, num_classes: int, task: str
) -> tuple[NDArray[np.float32], NDArray[np.int64] | NDArray[np.float32]]:
    """Logits (N, K) with targets; the right class stands out, its neighbour a little, and the rest is noise."""
    shares = 1 / (1 + np.arange(num_classes))
    logits = 1.3 * random.standard_normal((size, num_classes))
    classes = random.choice(num_classes, size, p=shares / shares.sum())
    rows = np.arange(size)
    spread = 2.0 * random.standard_normal(size)
    logits[rows, classes] += 5.0 + spread
    logits[rows, np.minimum(classes ^ 1, num_classes - 1)] += 2.0 - spread
    if task == "single-label":
        return logits.astype(np.float32), classes
    targets = np.zeros((size, num_classes), np.float32)
    targets[rows, classes] = 1
    targets[rows, np.minimum(classes ^ 1, num_classes - 1)] = random.random(size) < 0.3
    return (logits - 2.5).astype(np.float32), targets


def _history(count: int, *, has_validation: bool) -> tuple[Epoch, ...]:
    """Training gets better and better, validation until the ninth epoch."""
    epochs = []
    for i in range(count):
        validation = {"loss": 0.168 + 0.0007 * (i - 8) ** 2, "hit_at_one": 0.942 - 0.0004 * (i - 8) ** 2}
        epochs.append(
            Epoch(
                epoch=i,
                seconds=8.5,
                learning_rate=0.001,
                training={"loss": 0.11 + 0.5 * 0.75**i, "hit_at_one": 0.965 - 0.14 * 0.75**i},
                validation=validation if has_validation else {},
            )
        )
    return tuple(epochs)
