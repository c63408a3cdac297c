"""What training in bf16 costs in accuracy: metrics of the validation split in either precision, over several seeds.

    python benchmarks/training_precision.py [--models dense-5] [--videos 40000] [--epochs 8] [--seeds 5] [--json FILE]

All trainings see the same features of `benchmarks/generated_features.py`, of which 30 % are for validation, and run by
the job's own code with its defaults. A seed decides about weights, order and dropout; both precisions have the same
seeds. They agree on a metric where their means differ by less than the standard deviation over the seeds in fp32.
`cluster/training/precision.py` lists the models that agree on all metrics, for which `--precision auto` chooses bf16 on
CPUs that multiply it in hardware. CPUs that do not compute the same more slowly, so that accuracy can be measured on
any.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_features import write_dataset
from benchmarks.measure import write_json
from classifiers.choices import BF16, FP32
from cluster.training.config import TrainingOptions
from cluster.training.job import run_training
from extractors.networks.cpu_precision import has_cpu_bf16
from schemas.trainings import VALIDATION, TrainingRecord

METRICS = ("loss", "hit_at_one", "gap", "mean_average_precision")


@dataclass(frozen=True)
class Comparison:
    """One metric of one model: means over the seeds, and their standard deviations."""

    fp32: float
    fp32_deviation: float
    bf16: float
    bf16_deviation: float

    @classmethod
    def of(cls, fp32: list[float], bf16: list[float]) -> Comparison:
        """From the values of both, by seed."""
        means_and_deviations = [f(values) for values in (fp32, bf16) for f in (statistics.fmean, statistics.stdev)]
        return cls(*means_and_deviations)

    @property
    def agrees(self) -> bool:
        """Whether the means differ by less than the seeds do in fp32."""
        return abs(self.bf16 - self.fp32) < self.fp32_deviation


def train(dataset: Path, model: str, precision: str, epochs: int, seed: int) -> dict[str, float]:
    """Metrics of the validation split, and the CPU seconds that the training took."""
    with tempfile.TemporaryDirectory() as output:
        options = TrainingOptions.of(
            output=output,
            features=(str(dataset),),
            model=model,
            fractions=("0.7", "0.3", "0"),
            epochs=epochs,
            seed=seed,
            precision=precision,
            engine="local",
        )
        started = time.process_time()
        if run_training(options) != 0:
            raise SystemExit(f"{model} could not be trained")
        seconds = time.process_time() - started
        record = TrainingRecord.from_json(Path(output, "training.json").read_text())
    (split,) = (split for split in record.splits if split.name == VALIDATION)
    return {**{name: split.summary[name] or 0.0 for name in METRICS}, "seconds": seconds}


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["dense-5"])
    parser.add_argument("--videos", type=int, default=40_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, dict[str, Comparison]] = {}
    runs: dict[str, dict[str, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder), videos=options.videos, classes=10, frames=0, seed=1)
        for model in options.models:
            of_model: dict[str, list[dict[str, float]]] = {FP32: [], BF16: []}
            for seed in range(options.seeds):
                for precision, trained in of_model.items():
                    trained.append(train(Path(folder), model, precision, options.epochs, seed))
            runs[model] = of_model
            found[model] = {
                name: Comparison.of(*([run[name] for run in trained] for trained in of_model.values()))
                for name in METRICS
            }
    print(f"bf16 in hardware: {'yes' if has_cpu_bf16() else 'no, emulated'}; {options.seeds} seeds")
    print(f"{'model':<20} {'metric':<24} {'fp32':>18} {'bf16':>18}")
    for model, comparisons in found.items():
        for name, one in comparisons.items():
            texts = (
                f"{mean:.4f} ± {deviation:.4f}"
                for mean, deviation in ((one.fp32, one.fp32_deviation), (one.bf16, one.bf16_deviation))
            )
            print(f"{model:<20} {name:<24} {'  '.join(f'{text:>18}' for text in texts)}  {'=' if one.agrees else '≠'}")
    write_json(
        options.json,
        {"found": {model: {n: asdict(c) for n, c in of.items()} for model, of in found.items()}, "runs": runs},
    )


if __name__ == "__main__":
    main()
