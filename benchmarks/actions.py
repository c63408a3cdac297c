"""Whether every family of clip classifiers learns motion: small networks, trained from scratch on a few cores.

    python benchmarks/actions.py [--families c3d i3d …] [--scenes 120 20 40] [--epochs 12] [--seed 0] [--json FILE]

The videos (`generated_actions`) are written and decoded once. Each family is trained three times with one recipe:

scratch     on the actions, from random weights; its test accuracy is the result
other       on other motions, from the same random weights, until 98.5 % validation accuracy
fine-tuned  on the actions, from the weights of `other` with a new head, until 90 % validation accuracy

Prints the test accuracy of the first, the same with each video's frames in random order, which must be near chance,
and the epochs to 90 % validation accuracy, from scratch and fine-tuned. For comparison, a network whose input is the
mean of the frames must stay near chance. Of a stream network, the test accuracy is that on the last frame; its accuracy
after each frame follows, given the frames one by one.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_actions import ACTION_SETS, RATE, class_names, write_actions
from benchmarks.measure import cores, write_json
from classifiers.choices import SINGLE_LABEL
from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model
from classifiers.clip_models.streaming import StreamModel
from classifiers.data.batches import ClipBatch
from classifiers.metrics.frame_hits import FrameHits
from classifiers.training.config import TrainingConfig
from classifiers.training.learning_rate import LearningRateSchedule
from classifiers.training.loop import Training
from classifiers.training.objective import Classification
from classifiers.training.optimizers import OptimizerConfig
from classifiers.training.phases import Phase
from cluster.datasets.manifest import read_videos
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from schemas.clips import UNIT, ClipFormat

FRAMES, SIZE = 16, 32
CLASSES = len(class_names("actions"))
# What makes each family small; the default is an eighth of the published width.
FAMILIES: dict[str, dict[str, object]] = {
    "c3d": {"pixels": "signed"},
    "r3d-18": {},
    "mc3-18": {},
    "r2plus1d-18": {},
    "p3d-63": {},
    "fast3d-18": {},
    "i3d": {},
    "s3d": {},
    "movinet-a0": {"width_factor": 0.25},
    "movinet-a0-stream": {"width_factor": 0.25},
}
BATCH = 16
LEARNING_RATE = 3e-3
LEARNING_RATES = {"c3d": 3e-4}  # which has no normalisation
MIN_TEST_ACCURACY = 0.95  # of a training from scratch
# Validation accuracies: to which epochs are counted, and at which the training on other motions stops.
TARGET_ACCURACY, PRETRAINED_ACCURACY = 0.90, 0.985
EVALUATION_BATCH = 64
PARTS = 4  # of an epoch, each followed by an evaluation on the validation split


@dataclass(frozen=True)
class Examples:
    """Decoded videos of a split: clips uint8 (N, T, H, W, 3), targets int64 (N,)."""

    clips: Tensor
    targets: Tensor

    def shuffled(self, seed: int, part: int) -> Iterator[ClipBatch]:
        """Training batches of one part of an epoch, in an order drawn from `seed`."""
        order = torch.randperm(len(self.targets), generator=torch.Generator().manual_seed(seed))
        for rows in order.tensor_split(PARTS)[part].split(BATCH):  # type: ignore[no-untyped-call]
            yield ClipBatch(self.clips[rows], self.targets[rows])

    def in_order(self) -> Iterator[ClipBatch]:
        """Evaluation batches."""
        for start in range(0, len(self.targets), EVALUATION_BATCH):
            rows = slice(start, start + EVALUATION_BATCH)
            yield ClipBatch(self.clips[rows], self.targets[rows])

    def with_random_times(self, seed: int) -> Examples:
        """The same videos with their frames in random order."""
        draw = torch.Generator().manual_seed(seed)
        order = torch.rand(self.clips.shape[:2], generator=draw).argsort(dim=1)
        return Examples(torch.stack([clip[times] for clip, times in zip(self.clips, order, strict=True)]), self.targets)


@dataclass(frozen=True)
class Trained:
    """One training: validation accuracy after each part of an epoch, test accuracy, the same on shuffled frames.

    by_frame  test accuracy of a stream network after each frame; empty for others
    """

    validation: list[float]
    test: float
    test_in_random_order: float
    seconds: float
    by_frame: tuple[float, ...] = ()

    @property
    def epochs_needed(self) -> float | None:
        """Epochs until the validation accuracy reached `TARGET_ACCURACY`; None if it never did."""
        reached = (part for part, accuracy in enumerate(self.validation, 1) if accuracy >= TARGET_ACCURACY)
        return next((part / PARTS for part in reached), None)


class MeanFrameModel(nn.Module):
    """Classifies the mean of a clip's frames: four convolutions with normalisation, and a head."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 64)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], num_classes))

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (N, K) of clips, uint8 (N, T, H, W, 3)."""
        logits: Tensor = self.layers(clips.float().mean(dim=1).permute(0, 3, 1, 2) / 255)
        return logits


def read_examples(manifest: Path, action_set: str) -> dict[str, Examples]:
    """All videos of a set, by split."""
    names = class_names(action_set)
    form = ClipFormat(frames=FRAMES, height=SIZE, width=SIZE, resize=(SIZE, SIZE), fps=None, **UNIT)
    clips: dict[str, list[np.ndarray]] = {}
    targets: dict[str, list[int]] = {}
    for video in read_videos(str(manifest)):
        (clip,) = decode_clips(video.uri, form, ClipSampling())
        clips.setdefault(video.split, []).append(clip)
        targets.setdefault(video.split, []).append(names.index(str(video.labels[0])))
    return {
        split: Examples(torch.from_numpy(np.stack(of_split)), torch.tensor(targets[split]))
        for split, of_split in clips.items()
    }


def train(
    model: nn.Module,
    data: Mapping[str, Examples],
    *,
    learning_rate: float,
    epochs: int,
    seed: int,
    until: float = math.inf,
) -> Trained:
    """Train by the recipe, or until validation accuracy reaches `until`; leaves the best weights in `model`."""
    steps = sum(1 for part in range(PARTS) for _ in data["train"].shuffled(seed, part))
    phase = Phase(
        epochs=epochs * PARTS,
        optimizer=OptimizerConfig(name="adam", learning_rate=learning_rate),
        schedule=LearningRateSchedule(decay="cosine", warmup_steps=steps, decay_steps=steps * epochs),
    )
    config = TrainingConfig(phases=(phase,), max_gradient_norm=1.0, seed=seed)
    started = time.perf_counter()
    training = Training(model, Classification(SINGLE_LABEL, CLASSES, config), config)
    validation: list[float] = []
    while not training.is_over and max(validation, default=0.0) < until:
        epoch, part = divmod(training.epoch, PARTS)
        batches = data["train"].shuffled(seed * 1000 + epoch, part)
        record = training.run_epoch(batches, data["validation"].in_order())
        validation.append(record.validation["hit_at_one"] or 0.0)
        print(
            f"    epochs {len(validation) / PARTS:5.2f}: loss {record.training['loss']:.3f}, training "
            f"{record.training['hit_at_one']:.3f}, validation {validation[-1]:.3f}, {record.seconds:.1f} s",
            flush=True,
        )
    training.load_best()
    in_order, in_random_order = (
        training.evaluate(examples.in_order(), is_full=False).summary()["hit_at_one"]
        for examples in (data["test"], data["test"].with_random_times(seed))
    )
    by_frame = accuracy_by_frame(model, data["test"]) if isinstance(model, StreamModel) else ()
    return Trained(validation, in_order, in_random_order, time.perf_counter() - started, by_frame)


def accuracy_by_frame(model: StreamModel, examples: Examples) -> tuple[float, ...]:
    """The accuracy after each frame, when frames come one by one."""
    hits = FrameHits(FRAMES)
    with torch.inference_mode():
        for batch in examples.in_order():
            state, logits = model.initial_state(len(batch)), []
            for frame in batch.clips.split(1, dim=1):  # type: ignore[no-untyped-call]
                found, state = model.eval().stream(frame, state)
                logits.append(found)
            assert batch.targets is not None
            hits.update(torch.cat(logits, dim=1), batch.targets)
    return hits.shares()


@dataclass(frozen=True)
class FamilyResult:
    """The three trainings of one family."""

    parameters: int
    options: Mapping[str, object]
    scratch: Trained
    other: Trained
    fine_tuned: Trained

    @property
    def meets_criteria(self) -> bool:
        """Whether it is accurate enough from scratch, and fine-tuning needs fewer epochs."""
        scratch, fine_tuned = self.scratch.epochs_needed, self.fine_tuned.epochs_needed
        if scratch is None or fine_tuned is None:
            return False
        return self.scratch.test >= MIN_TEST_ACCURACY and fine_tuned < scratch


def train_family(name: str, sets: Mapping[str, Mapping[str, Examples]], epochs: int, seed: int) -> FamilyResult:
    """Train one family three times."""
    size: dict[str, object] = {"frames": FRAMES, "height": SIZE, "width": SIZE, "width_factor": 0.125}
    options = size | {"dropout": 0.0} | FAMILIES[name]
    models: list[ClipModel] = []
    for _ in range(2):
        torch.manual_seed(seed)
        model = build_clip_model(name, num_classes=CLASSES, options=options)
        if not isinstance(model, StreamModel):  # whose convolutions are 2D, and channels-last by themselves
            model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # which CPUs convolve fastest
        models.append(model)
    model, pretrained = models
    train_on = partial(train, learning_rate=LEARNING_RATES.get(name, LEARNING_RATE), epochs=epochs, seed=seed)
    print(f"{name}, from scratch", flush=True)
    scratch = train_on(model, sets["actions"])
    print(f"{name}, other motions", flush=True)
    other = train_on(pretrained, sets["other"], until=PRETRAINED_ACCURACY)
    print(f"{name}, fine-tuned", flush=True)
    pretrained.reset_head(CLASSES)
    fine_tuned = train_on(pretrained, sets["actions"], until=TARGET_ACCURACY)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return FamilyResult(parameters, options, scratch, other, fine_tuned)


def show(families: Mapping[str, FamilyResult]) -> None:
    """Print the table."""
    print(f"\n{'':<25}{'':>8}{'frames in':>11}{'epochs to 90 %':>16}{'after other':>13}")
    print(
        f"{'family':<14}{'parameters':>11}{'test':>8}{'any order':>11}{'from scratch':>16}{'motions':>13}{'seconds':>9}"
    )
    for name, family in families.items():
        needed = [f"{training.epochs_needed or math.nan:.2f}" for training in (family.scratch, family.fine_tuned)]
        print(
            f"{name:<14}{family.parameters:>11,}{family.scratch.test:>8.1%}"
            f"{family.scratch.test_in_random_order:>11.1%}"
            f"{needed[0]:>16}{needed[1]:>13}{family.scratch.seconds:>9.0f}"
        )
    for name, family in families.items():
        if family.scratch.by_frame:
            after = (f"{(frame + 1) / RATE:.2f} s {share:.1%}" for frame, share in enumerate(family.scratch.by_frame))
            print(f"{name}, after {', '.join(after)}")


def record(options: argparse.Namespace, mean_frame: Trained, families: Mapping[str, FamilyResult]) -> dict[str, object]:
    """All results, as written to JSON."""
    return {
        "scenes": options.scenes,
        "seed": options.seed,
        "threads": options.threads,
        "chance": 1 / CLASSES,
        "mean_frame": asdict(mean_frame),
        "families": {
            name: asdict(family)
            | {
                "epochs_from_scratch": family.scratch.epochs_needed,
                "epochs_fine_tuned": family.fine_tuned.epochs_needed,
            }
            for name, family in families.items()
        },
    }


def main() -> int:
    """Train and print the table; returns 1 if a family misses a criterion."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", choices=tuple(FAMILIES), default=tuple(FAMILIES), metavar="NAME")
    parser.add_argument("--scenes", type=int, nargs=3, default=(120, 20, 40), metavar="COUNT")
    parser.add_argument("--epochs", type=int, default=12, help="maximum of each training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    scenes = dict(zip(("train", "validation", "test"), options.scenes, strict=True))
    sets: dict[str, dict[str, Examples]] = {}
    for action_set in ACTION_SETS:
        with tempfile.TemporaryDirectory() as folder:
            manifest = write_actions(
                Path(folder, action_set), action_set, scenes=scenes, frames=FRAMES, size=SIZE, seed=options.seed
            )
            sets[action_set] = read_examples(manifest, action_set)
    print("mean of the frames", flush=True)
    torch.manual_seed(options.seed)
    mean_frame = train(
        MeanFrameModel(CLASSES),
        sets["actions"],
        learning_rate=LEARNING_RATE,
        epochs=min(options.epochs, 5),
        seed=options.seed,
    )
    families: dict[str, FamilyResult] = {}
    for name in options.families:
        families[name] = train_family(name, sets, options.epochs, options.seed)
        write_json(options.json, record(options, mean_frame, families))
    show(families)
    print(f"a network on the mean of the frames: {mean_frame.test:.1%}; chance is {1 / CLASSES:.1%}")
    missed = [name for name, family in families.items() if not family.meets_criteria]
    print(f"criteria not met: {', '.join(missed)}" if missed else f"criteria met: {', '.join(families)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
