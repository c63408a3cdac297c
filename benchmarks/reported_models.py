"""The seven reported dense models on generated features, beside the figures reported on YouTube-8M.

    python benchmarks/reported_models.py [--videos 20000] [--epochs 20] [--seed 1] [--json FILE]

All are trained with the reported recipe (RMSprop with Keras's defaults, batches of 256, cross-entropy, best epoch kept)
on 70 % of the videos; 15 % are for validation and 15 % for the test. Accuracies are those of the best epoch. They do
not predict accuracies on real videos: compare the findings; the last lines list which of them are reproduced.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_features import write_dataset
from benchmarks.measure import cores, write_json
from classifiers.training.identity import TrainingIdentity
from classifiers.training.workers import SingleWorker
from cluster.training.config import TrainingOptions
from cluster.training.kinds import load_training_data
from cluster.training.worker import TrainingPlan, TrainingWorker
from schemas.evaluations import SplitResult

# Training, validation and test accuracy.
REPORTED = {
    "dense-1": (97.12, 91.33, 91.23),
    "dense-2": (95.32, 92.23, 92.98),
    "dense-3": (93.22, 93.19, 93.01),
    "dense-4": (94.65, 94.22, 94.22),
    "dense-5": (94.73, 94.24, 94.26),
    "dense-6": (92.45, 91.78, 91.48),
    "dense-7": (92.03, 91.12, 93.03),
}
# On a test split with equally many videos of each class.
REPORTED_EQUAL = {"dense-5": 90.65, "dense-7": 91.34}
OVERFITS_BY_EPOCH = 3


@dataclass(frozen=True)
class Trained:
    """One model; accuracies in percent, by split; `equal` is the mean accuracy of the classes of the test split."""

    accuracies: dict[str, float]
    equal: float
    best_epoch: int  # counted from 1
    training_losses: list[float]
    validation_losses: list[float]
    seconds: float

    @property
    def rise(self) -> float:
        """Relative increase of the validation loss from the best epoch to the last."""
        return self.validation_losses[-1] / min(self.validation_losses) - 1

    @property
    def gap(self) -> float:
        """Training accuracy minus validation accuracy."""
        return self.accuracies["training"] - self.accuracies["validation"]


def train(dataset: Path, output: Path, model: str, epochs: int, seed: int) -> Trained:
    """One model, in this process."""
    settings = TrainingOptions.of(
        output=str(output),
        features=(str(dataset),),
        model=model,
        epochs=epochs,
        seed=seed,
        balance=model == "dense-7",
        engine="local",
    ).settings()
    started = time.perf_counter()
    plan = TrainingPlan(settings, load_training_data(settings), TrainingIdentity({}), cores())
    outcome = TrainingWorker(plan, SingleWorker(), 1, device=torch.device("cpu"), report=lambda record: None)()
    results = {result.name: result for result in outcome.results}
    assert outcome.history.best_epoch is not None
    tested = results["test"]
    assert isinstance(tested, SplitResult)
    return Trained(
        accuracies={name: 100 * (result.summary["hit_at_one"] or 0) for name, result in results.items()},
        equal=100 * tested.averages["macro"].recall,
        best_epoch=outcome.history.best_epoch + 1,
        training_losses=[epoch.training["loss"] or 0.0 for epoch in outcome.history.epochs],
        validation_losses=[epoch.validation["loss"] or 0.0 for epoch in outcome.history.epochs],
        seconds=time.perf_counter() - started,
    )


def findings(models: dict[str, Trained]) -> dict[str, tuple[bool, str]]:
    """The reported findings, whether they are reproduced, and the figures."""
    one, two, five, seven = (models[f"dense-{number}"] for number in (1, 2, 5, 7))
    validation = {name: model.accuracies["validation"] for name, model in models.items()}
    test = {name: model.accuracies["test"] for name, model in models.items()}
    return {
        f"model 1 overfits by epoch {OVERFITS_BY_EPOCH}": (
            one.best_epoch <= OVERFITS_BY_EPOCH and one.rise > 0.02,
            f"best epoch {one.best_epoch}, validation loss {100 * one.rise:+.0f} % at the end, "
            f"training accuracy {one.gap:+.2f} points",
        ),
        "dropout prevents it (model 2)": (
            two.rise < one.rise / 2 and two.gap < one.gap and validation["dense-2"] > validation["dense-1"],
            f"best epoch {two.best_epoch}, validation loss {100 * two.rise:+.0f} % at the end, "
            f"training accuracy {two.gap:+.2f} points, validation {validation['dense-2'] - validation['dense-1']:+.2f}",
        ),
        "a layer for each input beats one for both (models 3 and 2)": (
            validation["dense-3"] > validation["dense-2"],
            f"validation {validation['dense-3'] - validation['dense-2']:+.2f}",
        ),
        "model 5 is the best": (
            max(validation, key=validation.__getitem__) == "dense-5",
            f"the best on these data is {max(validation, key=validation.__getitem__)}",
        ),
        "balancing lowers the accuracy over all videos (models 7 and 5)": (
            test["dense-7"] < test["dense-5"],
            f"test {test['dense-7'] - test['dense-5']:+.2f}, reported {93.03 - 94.26:+.2f}",
        ),
        "balancing raises the mean accuracy of the classes (models 7 and 5)": (
            seven.equal > five.equal,
            f"test {seven.equal - five.equal:+.2f}, "
            f"reported {REPORTED_EQUAL['dense-7'] - REPORTED_EQUAL['dense-5']:+.2f}",
        ),
    }


def main() -> None:
    """Train, print the table and the findings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    models: dict[str, Trained] = {}
    print("model     training   validation   test         mean of classes   best epoch (reported in brackets)")
    with tempfile.TemporaryDirectory() as folder:
        dataset = Path(folder, "features")
        write_dataset(dataset, videos=options.videos, classes=10, frames=0, seed=options.seed)
        for name, reported in REPORTED.items():
            trained = models[name] = train(dataset, Path(folder, name), name, options.epochs, options.seed)
            pairs = zip(trained.accuracies.values(), reported, strict=True)
            cells = "  ".join(f"{found:.2f} ({was:.2f})" for found, was in pairs)
            equal = f"{trained.equal:.2f}" + (f" ({REPORTED_EQUAL[name]:.2f})" if name in REPORTED_EQUAL else " " * 8)
            print(f"{name}   {cells}  {equal}   {trained.best_epoch:2d}   {trained.seconds:.0f} s", flush=True)
    results = findings(models)
    for finding, (is_reproduced, figures) in results.items():
        print(f"{'reproduced' if is_reproduced else 'not reproduced'}: {finding}: {figures}")
    write_json(
        options.json,
        {
            "videos": options.videos,
            "models": {name: asdict(model) for name, model in models.items()},
            "findings": {finding: is_reproduced for finding, (is_reproduced, _) in results.items()},
        },
    )


if __name__ == "__main__":
    main()
