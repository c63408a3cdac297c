"""Time saved by keeping the output of frozen stages: epochs of a new head, with and without.

    python benchmarks/frozen_stages.py [--videos 96] [--epochs 20] [--model r3d-18] [--json FILE]

The same training twice, by `jobs/train_classifier.py` on Ray: with memory to keep the output of the frozen stages, and
without. Videos and network are those of `benchmarks/clips.py`. Prints the seconds of all epochs including preparation,
their ratio to one epoch without kept output, and the largest difference between the losses of the two trainings.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.clips import OPTIONS, run_job, write_videos
from benchmarks.measure import write_json
from schemas.trainings import TrainingRecord

KEPT_MIB = {"kept": 1024, "anew": 0}


@dataclass(frozen=True)
class Trained:
    """One training: seconds of its epochs including preparation, of the median epoch, and its losses."""

    seconds: float
    epoch_seconds: float
    losses: tuple[float, ...]


def train(videos: Path, output: Path, model: str, epochs: int, kept_mib: int) -> Trained:
    """Train the head alone, by the job."""
    command = ["jobs/train_classifier.py", "--videos", str(videos), "--output", str(output), "--split", "column"]
    command += ["--model", model, "--model-options", *(f"{key}={value}" for key, value in OPTIONS.items())]
    command += ["--phases", f"epochs={epochs} stages=1 optimizer=sgd learning-rate=0.01"]
    run_job([*command, "--keep-frozen-mib", str(kept_mib)])
    record = TrainingRecord.from_json((output / "training.json").read_text())
    return Trained(
        sum(record.seconds_by_stage.get(stage, 0.0) for stage in ("training", "frozen stages")),
        statistics.median(epoch.seconds for epoch in record.history),
        tuple(epoch.training["loss"] or 0.0 for epoch in record.history),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--model", default="r3d-18")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_videos(Path(folder), options.videos)
        trained = {
            name: train(Path(folder, "videos"), Path(folder, name), options.model, options.epochs, kept_mib)
            for name, kept_mib in KEPT_MIB.items()
        }
    for name, one in trained.items():
        print(f"{name}: {one.seconds:.1f} s for {options.epochs} epochs, the median one {one.epoch_seconds:.2f} s")
    kept, anew = trained["kept"], trained["anew"]
    ratios = {"kept / one epoch anew": kept.seconds / anew.epoch_seconds, "anew / kept": anew.seconds / kept.seconds}
    for name, value in ratios.items():
        print(f"{name:>22}: {value:.2f}")
    difference = max(abs(one - other) for one, other in zip(kept.losses, anew.losses, strict=True))
    print(f"losses differ by {difference:.1e} at most")
    write_json(
        options.json,
        {
            "ratios": ratios,
            "loss_difference": difference,
            "seconds": {name: one.seconds for name, one in trained.items()},
        },
    )


if __name__ == "__main__":
    main()
