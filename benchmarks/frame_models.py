"""Models of frames and models of means, on classes that only frames distinguish: by their order, or by a few of them.

    python benchmarks/frame_models.py [--videos 2400] [--frames 16] [--epochs 6] [--seed 1] [--json FILE]

Two data sets of `benchmarks/generated_features.py`. In both, the mean of a video determines the pair of classes and
carries no further information about the class:

order    the frames move in one of two opposite directions; as a set, they are the same
glimpse  a few frames show the class, at random positions

All models are trained alike, by the job's own code (Adam, batches of 64, best epoch kept), on 70 % of the videos; 10 %
are for validation and 20 % for the test. The models of frames have a fraction of their published width, to finish in
minutes on two cores: compare what a kind of model can learn at all, not how accurate it may become. A recurrent network
could learn glimpses too; the table shows whether it does from so few videos. Three lines for comparison follow from the
distribution of the data: the best accuracy given nothing, given the pair, and given the class, whose label is sometimes
wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_features import BY_GLIMPSES, BY_ORDER, LABEL_NOISE, class_frequencies, write_dataset
from benchmarks.measure import write_json
from cluster.training.config import TrainingOptions
from cluster.training.job import run_training
from schemas.trainings import TEST, TrainingRecord

CLASSES = 4
MEANS, SEQUENCE, SET = "means", "frames in order", "frames as a set"
RECURRENT = ("cells=64", "layers=1")
# Input and options of each model.
MODELS = {
    "logistic": (MEANS, ()),
    "dense-5": (MEANS, ()),
    "lstm": (SEQUENCE, RECURRENT),
    "bidirectional-lstm": (SEQUENCE, RECURRENT),
    "gru": (SEQUENCE, RECURRENT),
    "bidirectional-gru": (SEQUENCE, RECURRENT),
    "attention-pooling": (SET, ("hidden=128", "attention=32")),
    "netvlad": (SET, ("clusters=8", "hidden=64")),
    "nextvlad": (SET, ("clusters=8", "expansion=1", "hidden=64")),
    "dbof": (SET, ("clusters=512", "hidden=128", "sampled_frames=32")),
}
CLUES = (BY_ORDER, BY_GLIMPSES)
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Trained:
    """One model on one data set, with its test accuracy in percent."""

    accuracy: float
    best_epoch: int  # counted from 1
    seconds: float


def train(dataset: Path, output: Path, model: str, epochs: int, seed: int) -> Trained:
    """One model, in this process."""
    options = TrainingOptions.of(
        output=str(output),
        features=(str(dataset),),
        model=model,
        model_options=MODELS[model][1],
        fractions=("0.7", "0.1", str(TEST_SHARE)),
        epochs=epochs,
        batch_size=64,
        optimizer="adam",
        seed=seed,
        engine="local",
        cpus_per_worker=1,  # faster than more threads, which synchronise at each frame
    )
    started = time.perf_counter()
    if run_training(options) != 0:
        raise SystemExit(f"{model} could not be trained")
    record = TrainingRecord.from_json((output / "training.json").read_text())
    (test,) = (split for split in record.splits if split.name == TEST)
    return Trained(100 * (test.summary["hit_at_one"] or 0), record.best_epoch + 1, time.perf_counter() - started)


def accuracy_limits() -> dict[str, float]:
    """The best accuracy in percent given nothing about a video, its pair of classes, or its class."""
    frequencies = class_frequencies(CLASSES)
    correct = 1 - LABEL_NOISE
    pairs = frequencies.reshape(-1, 2)
    given_pair = (pairs.max(axis=1) * (correct + LABEL_NOISE * pairs.sum(axis=1))).sum()
    given_class = (frequencies * (correct + LABEL_NOISE * frequencies)).sum()
    limits = {"guess": frequencies.max(), "pair": given_pair, "class": given_class}
    return {name: 100 * float(share) for name, share in limits.items()}


def findings(found: dict[str, dict[str, Trained]], pair: float, margin: float) -> dict[str, tuple[bool, str]]:
    """Expected findings, whether they are reproduced, and the figures.

    `pair` is the best accuracy given the pair; differences up to `margin` are attributed to chance.
    """

    def accuracies(clue: str, kind: str) -> list[float]:
        return [found[clue][model].accuracy for model, (of_model, _) in MODELS.items() if of_model == kind]

    def figures(clue: str, one: str, other: str) -> str:
        spans = (
            f"{kind} {min(values):.1f}-{max(values):.1f}"
            for kind in (one, other)
            for values in [accuracies(clue, kind)]
        )
        return ", ".join(spans)

    order, glimpse = BY_ORDER, BY_GLIMPSES
    return {
        "order: models of frames in order beat those of means": (
            min(accuracies(order, SEQUENCE)) > max(accuracies(order, MEANS)) + margin,
            figures(order, SEQUENCE, MEANS),
        ),
        "order: models of frames as a set do not exceed the limit given the pair": (
            max(accuracies(order, SET)) < pair + margin,
            f"{figures(order, SET, MEANS)}, limit {pair:.1f}",
        ),
        "glimpse: models of frames as a set beat those of means": (
            min(accuracies(glimpse, SET)) > max(accuracies(glimpse, MEANS)) + margin,
            figures(glimpse, SET, MEANS),
        ),
        "glimpse: the best model of frames as a set beats the best of frames in order": (
            max(accuracies(glimpse, SET)) > max(accuracies(glimpse, SEQUENCE)),
            figures(glimpse, SET, SEQUENCE),
        ),
    }


def main() -> None:
    """Train, print the table and the findings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=2400)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    limits = accuracy_limits()
    found: dict[str, dict[str, Trained]] = {clue: {} for clue in CLUES}
    print("test accuracy in percent, and the best epoch")
    print(f"{'model':<20} {'input':<16} {'order':>12} {'glimpse':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for clue in CLUES:
            write_dataset(
                Path(folder, clue),
                videos=options.videos,
                classes=CLASSES,
                frames=options.frames,
                seed=options.seed,
                clue=clue,
            )
        for model, (kind, _) in MODELS.items():
            for clue in CLUES:
                output = Path(folder, f"{clue}-{model}")
                found[clue][model] = train(Path(folder, clue), output, model, options.epochs, options.seed)
            cells = " ".join(
                f"{one.accuracy:7.1f} ({one.best_epoch:2d})" for one in (found[clue][model] for clue in CLUES)
            )
            print(f"{model:<20} {kind:<16} {cells}", flush=True)
    for name, label in (
        ("guess", "most frequent class"),
        ("pair", "limit given the pair"),
        ("class", "given the class"),
    ):
        print(f"{label:<37} {limits[name]:7.1f} {'':4} {limits[name]:7.1f}")
    margin = 2 * 100 * (0.25 / (TEST_SHARE * options.videos)) ** 0.5  # two standard errors of an accuracy
    results = findings(found, limits["pair"], margin)
    for finding, (is_reproduced, figures) in results.items():
        print(f"{'reproduced' if is_reproduced else 'not reproduced'}: {finding}: {figures}")
    write_json(
        options.json,
        {
            "videos": options.videos,
            "reachable": limits,
            "models": {clue: {model: asdict(one) for model, one in models.items()} for clue, models in found.items()},
            "findings": {finding: is_reproduced for finding, (is_reproduced, _) in results.items()},
        },
    )


if __name__ == "__main__":
    main()
