"""Transfer learning with C3D as reported: a new head, then the last three dense layers, then an additional class.

    python benchmarks/transfer.py [--scenes 120 20 40] [--seed 0] [--keep FOLDER] [--json FILE]

The reported system started from weights of Sports-1M and continued with three classes of UCF101 and one of its own.
Here all videos are generated (`generated_actions`) and C3D is an eighth as wide: it is trained on other motions first,
then on three classes of the actions, one folder of videos each, and then with a fourth folder. Every training is
`jobs/train_classifier.py` from start to end, on Ray.

Prints loss and accuracy of the test split and seconds of the whole job beside the reported figures, and precision,
recall and F1 of each class. Compare the findings, not the figures: the data differ.
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
class ReportedTraining:
    """One of the reported trainings: options of the job, classes, and the reported test results and duration."""

    options: tuple[str, ...]
    classes: tuple[str, ...]
    reported_loss: float
    reported_accuracy: float
    reported_seconds: int


TRAININGS = {
    "head only": ReportedTraining(("--phases", HEAD), THREE, 0.457, 0.9692, 9_388),
    "fine-tuned": ReportedTraining(("--recipe", "transfer"), THREE, 0.158, 0.9735, 2_324),
    "own class, head only": ReportedTraining(("--phases", HEAD), (*THREE, OWN), 0.436, 0.9243, 11_880),
    "own class, fine-tuned": ReportedTraining(
        ("--phases", HEAD, f"epochs=10 {LAST_THREE}"), (*THREE, OWN), 0.187, 0.9892, 5_937
    ),
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
    """Run the training job and read its record."""
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
    """Hard-link the videos of `classes` from `source` to `target`, both `<split>/<class>/`; skips existing classes."""
    for split in source.iterdir():
        if split.is_dir():
            for name in classes:
                folder = target / split.name / name
                if not folder.exists():
                    folder.mkdir(parents=True)
                    for video in (split / name).iterdir():
                        os.link(video, folder / video.name)


def show(name: str, reported: ReportedTraining, run: Run) -> None:
    """Print one training beside the reported one."""
    summary = run.test.summary
    print(
        f"\n{name}: test loss {summary['loss']:.3f} ({reported.reported_loss}), "
        f"accuracy {summary['hit_at_one']:.4f} ({reported.reported_accuracy}), "
        f"{run.seconds:.0f} s ({reported.reported_seconds:,}); best epoch {run.best_epoch} of {run.epochs}, "
        f"{run.test.videos} videos (reported in brackets)"
    )
    print(f"{'':<14}precision  recall  F1      confusion matrix, rows: true classes")
    for label, score, counts in zip(run.classes, run.test.classes, run.test.confusion, strict=True):
        row = " ".join(f"{count:4d}" for count in counts)
        print(f"{label:<14}{score.precision:>9.2f}{score.recall:>8.2f}{score.f1:>6.2f}    {row}", flush=True)


def findings(runs: dict[str, Run]) -> dict[str, bool]:
    """The reported findings, and whether they are reproduced."""
    loss = {name: run.test.summary["loss"] or 0.0 for name, run in runs.items()}
    accuracy = {name: run.test.summary["hit_at_one"] or 0.0 for name, run in runs.items()}
    return {
        "fine-tuning the dense layers beats training the head alone, in loss and accuracy": all(
            loss[f"{prefix}fine-tuned"] < loss[f"{prefix}head only"]
            and accuracy[f"{prefix}fine-tuned"] >= accuracy[f"{prefix}head only"]
            for prefix in ("", "own class, ")
        ),
        "an additional class lowers the accuracy of training the head alone": (
            accuracy["own class, head only"] < accuracy["head only"]
        ),
        "fine-tuning is as accurate with the additional class as without": (
            accuracy["own class, fine-tuned"] >= accuracy["fine-tuned"] - 0.02
        ),
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
        print(f"{before.parameters:,} parameters; other motions: test accuracy {accuracy:.4f}, {before.seconds:.0f} s")
        runs: dict[str, Run] = {}
        for name, reported in TRAININGS.items():
            link_classes(folder / "actions", folder / "classes", reported.classes)
            output = folder / name.replace(", ", "-").replace(" ", "-")
            options_of_run = ("--init-weights", str(folder / "before"), *reported.options)
            runs[name] = run_job(folder / "classes", output, *options_of_run)
            show(name, reported, runs[name])
    reproduced = findings(runs)
    print()
    for finding, is_reproduced in reproduced.items():
        print(f"{'reproduced' if is_reproduced else 'not reproduced'}: {finding}")
    write_json(
        options.json,
        {
            "scenes": scenes,
            "before": asdict(before),
            "runs": {name: asdict(run) for name, run in runs.items()},
            "findings": reproduced,
        },
    )


if __name__ == "__main__":
    main()
