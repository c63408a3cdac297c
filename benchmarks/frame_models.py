"""Models of frames beside models of means, on classes that only the frames distinguish: by their order, or by a few of
them.

    python benchmarks/frame_models.py [--videos 2400] [--frames 16] [--epochs 6] [--seed 1] [--json FILE]

Two data sets of `benchmarks/generated_features.py`. In both, the mean of a video gives the pair that its class belongs
to and nothing more:

order    the frames move one way or the other in time; as a set, they are the same
glimpse  a few frames show the class, at random positions

All models are trained alike, by the job's own code (Adam, batches of 64, best epoch kept), on 70 % of the videos; 10 %
are for validation and 20 % for the test. The models of frames have a fraction of their published width, to finish in
minutes on two cores: what can be compared is what a kind of model can learn at all, not how accurate it may become. A
recurrent network could find glimpses too; the table shows whether it does from so few videos. Three lines for
comparison follow from how the data are made: the accuracy of a guess that knows only the most frequent class, the pair,
or the class, whose label is sometimes wrong.
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
# What a model is given to see, and its own numbers.
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
        cpus_per_worker=1,  # threads that wait for each other at each frame cost more than they bring
    )
    started = time.perf_counter()
    if run_training(options) != 0:
        raise SystemExit(f"{model} could not be trained")
    record = TrainingRecord.from_json((output / "training.json").read_text())
    (test,) = (split for split in record.splits if split.name == TEST)
    return Trained(100 * (test.summary["hit_at_one"] or 0), record.best_epoch + 1, time.perf_counter() - started)


def reachable() -> dict[str, float]:
    """Accuracy in percent of a guess that knows nothing of a video, its pair, or its class."""
    frequencies = class_frequencies(CLASSES)
    right = 1 - LABEL_NOISE
    pairs = frequencies.reshape(-1, 2)
    pair = (pairs.max(axis=1) * (right + LABEL_NOISE * pairs.sum(axis=1))).sum()
    known = (frequencies * (right + LABEL_NOISE * frequencies)).sum()
    return {
        name: 100 * float(share) for name, share in (("guess", frequencies.max()), ("pair", pair), ("class", known))
    }


def findings(found: dict[str, dict[str, Trained]], pair: float, near: float) -> dict[str, tuple[bool, str]]:
    """Expected findings, whether they are reproduced, and the figures; `near` is a difference that chance explains."""

    def accuracies(clue: str, kind: str) -> list[float]:
        return [found[clue][model].accuracy for model, (seen, _) in MODELS.items() if seen == kind]

    def figures(clue: str, one: str, other: str) -> str:
        spans = (
            f"{kind} {min(values):.1f}-{max(values):.1f}"
            for kind in (one, other)
            for values in [accuracies(clue, kind)]
        )
        return ", ".join(spans)

    order, few = BY_ORDER, BY_GLIMPSES
    return {
        "where order tells, models of frames in order beat those of means": (
            min(accuracies(order, SEQUENCE)) > max(accuracies(order, MEANS)) + near,
            figures(order, SEQUENCE, MEANS),
        ),
        "and models of frames as a set stay at what the pair gives": (
            max(accuracies(order, SET)) < pair + near,
            f"{figures(order, SET, MEANS)}, the pair {pair:.1f}",
        ),
        "where a few frames tell, models of frames as a set beat those of means": (
            min(accuracies(few, SET)) > max(accuracies(few, MEANS)) + near,
            figures(few, SET, MEANS),
        ),
        "and the best of them beats the best of frames in order": (
            max(accuracies(few, SET)) > max(accuracies(few, SEQUENCE)),
            figures(few, SET, SEQUENCE),
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
    limits = reachable()
    found: dict[str, dict[str, Trained]] = {clue: {} for clue in CLUES}
    print("test accuracy in percent, and the best epoch")
    print(f"{'':<20} {'sees':<16} {'order':>12} {'glimpse':>12}")
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
    for name, known in (("guess", "the most frequent class"), ("pair", "the pair is known"), ("class", "the class is")):
        print(f"{known:<37} {limits[name]:7.1f} {'':4} {limits[name]:7.1f}")
    near = 2 * 100 * (0.25 / (TEST_SHARE * options.videos)) ** 0.5  # two standard errors of an accuracy
    shown = findings(found, limits["pair"], near)
    for finding, (is_shown, figures) in shown.items():
        print(f"{'reproduced' if is_shown else 'not reproduced'}: {finding}: {figures}")
    write_json(
        options.json,
        {
            "videos": options.videos,
            "reachable": limits,
            "models": {clue: {model: asdict(one) for model, one in models.items()} for clue, models in found.items()},
            "findings": {finding: is_shown for finding, (is_shown, _) in shown.items()},
        },
    )


if __name__ == "__main__":
    main()
