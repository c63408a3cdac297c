"""Transfer learning with C3D as reported: a new head, then the last three dense layers, then one class more.

    python benchmarks/transfer.py [--scenes 120 20 40] [--seed 0] [--keep FOLDER] [--json FILE]

The reported system started from weights of Sports-1M and continued with three classes of UCF101 and one of its own.
Here everything is generated (`generated_actions`) and C3D is an eighth as wide: it is trained on other motions first,
then on three classes of the actions, one folder of videos each, and then with a fourth folder. Every training is
`jobs/train_classifier.py` from start to end, on Ray.

Printed beside the reported figures are loss and accuracy of the test split, seconds of the whole job, and precision,
recall and F1 of each class. What can be compared are the findings, not the figures.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_actions import write_actions
from benchmarks.measure import write_json
from schemas.evaluations import SplitResult
from schemas.trainings import TEST, TrainingRecord

ROOT = Path(__file__).resolve().parent.parent
FRAMES, SIZE = 16, 32
MODEL = ("--model", "c3d", "--model-options", "width_factor=0.125", "height=32", "width=32", "pixels=signed")
FROM_SCRATCH = ("--epochs", "12", "--optimizer", "adam", "--learning-rate", "3e-4", "--schedule", "cosine")
STEADY = ("--warmup-steps", "60", "--max-gradient-norm", "1", "--batch-size", "16")
THREE = ("right-grow", "left-grow", "grow-right")
OWN = "shrink-right"
HEAD = "epochs=20 stages=1 optimizer=sgd learning-rate=0.1"
LAST_THREE = "stages=3 optimizer=sgd learning-rate=0.01"


@dataclass(frozen=True)
class Way:
    """One of the reported trainings: options of the job, and the reported results."""

    options: tuple[str, ...]
    classes: tuple[str, ...]
    reported_loss: float
    reported_accuracy: float
    reported_seconds: int


LABEL_SOURCES = {
    "head only": Way(("--phases", HEAD), THREE, 0.457, 0.9692, 9_388),
    "fine-tuned": Way(("--recipe", "transfer"), THREE, 0.158, 0.9735, 2_324),
    "own class, head only": Way(("--phases", HEAD), (*THREE, OWN), 0.436, 0.9243, 11_880),
    "own class, fine-tuned": Way(("--phases", HEAD, f"epochs=10 {LAST_THREE}"), (*THREE, OWN), 0.187, 0.9892, 5_937),
}


@dataclass(frozen=True)
class Run:
    """The results of one job."""

    classes: tuple[str, ...]
    seconds: float
    parameters: int
    epochs: int
    best_epoch: int  # counted from 1
    test: SplitResult


def run_job(videos: Path, output: Path, *options: str) -> Run:
    """Train with the job, as a user does."""
    environment = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_JOB_ID")}
    command = [sys.executable, "jobs/train_classifier.py", "--videos", str(videos), "--output", str(output), "--quiet"]
    started = time.perf_counter()
    subprocess.run([*command, "--split", "column", *MODEL, *options], cwd=ROOT, env=environment, check=True)
    seconds = time.perf_counter() - started
    if not (output / "training.html").is_file():
        raise RuntimeError(f"{output} has no report")
    record = TrainingRecord.from_json((output / "training.json").read_text())
    (test,) = (split for split in record.splits if split.name == TEST)
    return Run(
        tuple(each.name for each in record.classes),
        seconds,
        record.parameters,
        len(record.history),
        record.best_epoch + 1,
        test,
    )


def link_classes(source: Path, target: Path, classes: tuple[str, ...]) -> None:
    """Link some classes of a folder of videos into another; existing ones stay."""
    for split in source.iterdir():
        if split.is_dir():
            for name in classes:
                folder = target / split.name / name
                if not folder.exists():
                    folder.mkdir(parents=True)
                    for video in (split / name).iterdir():
                        os.link(video, folder / video.name)


def show(name: str, way: Way, run: Run) -> None:
    """Print one training beside the reported one."""
    summary = run.test.summary
    print(
        f"\n{name}: test loss {summary['loss']:.3f} ({way.reported_loss}), accuracy {summary['hit_at_one']:.4f} "
        f"({way.reported_accuracy}), {run.seconds:.0f} s ({way.reported_seconds:,}); best epoch {run.best_epoch} of "
        f"{run.epochs}, {run.test.videos} videos (reported in brackets)"
    )
    print(f"{'':<14}precision  recall  F1      confusion, rows the true class")
    for label, score, counts in zip(run.classes, run.test.classes, run.test.confusion, strict=True):
        row = " ".join(f"{count:4d}" for count in counts)
        print(f"{label:<14}{score.precision:>9.2f}{score.recall:>8.2f}{score.f1:>6.2f}    {row}", flush=True)


def findings(runs: dict[str, Run]) -> dict[str, bool]:
    """The reported findings, and whether they are reproduced."""
    loss = {name: run.test.summary["loss"] or 0.0 for name, run in runs.items()}
    right = {name: run.test.summary["hit_at_one"] or 0.0 for name, run in runs.items()}
    return {
        "fine-tuning the dense layers beats the head alone, in loss and accuracy": all(
            loss[f"{prefix}fine-tuned"] < loss[f"{prefix}head only"]
            and right[f"{prefix}fine-tuned"] >= right[f"{prefix}head only"]
            for prefix in ("", "own class, ")
        ),
        "a class more costs the head alone accuracy": right["own class, head only"] < right["head only"],
        "with the class more, fine-tuning reaches what it did without": right["own class, fine-tuned"]
        >= right["fine-tuned"] - 0.02,
    }


def main() -> None:
    """Train five times, print the tables and the findings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, nargs=3, default=(120, 20, 40), metavar="COUNT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder in which to keep videos, checkpoints and reports")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    scenes = dict(zip(("train", "validation", "test"), options.scenes, strict=True))
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        for action_set in ("other", "actions"):
            write_actions(folder / action_set, action_set, scenes=scenes, frames=FRAMES, size=SIZE, seed=options.seed)
        before = run_job(folder / "other", folder / "before", *FROM_SCRATCH, *STEADY)
        accuracy = before.test.summary["hit_at_one"]
        print(f"{before.parameters:,} parameters, on other motions: {accuracy:.4f} of the test, {before.seconds:.0f} s")
        runs: dict[str, Run] = {}
        for name, way in LABEL_SOURCES.items():
            link_classes(folder / "actions", folder / "classes", way.classes)
            output = folder / name.replace(", ", "-").replace(" ", "-")
            runs[name] = run_job(folder / "classes", output, "--init-weights", str(folder / "before"), *way.options)
            show(name, way, runs[name])
    shown = findings(runs)
    print()
    for finding, is_shown in shown.items():
        print(f"{'reproduced' if is_shown else 'not reproduced'}: {finding}")
    write_json(
        options.json,
        {
            "scenes": scenes,
            "before": asdict(before),
            "runs": {name: asdict(run) for name, run in runs.items()},
            "findings": shown,
        },
    )


if __name__ == "__main__":
    main()
