"""Training models of frames from Parquet, beside a plain torch loop over the same features in memory.

    python benchmarks/frame_training.py [--models netvlad nextvlad lstm] [--videos 384] [--frames 300] [--rounds 3]
        [--json FILE]

Models have their published sizes. Both contenders train the same network on the same videos for `--epochs` epochs with
RMSprop, in batches of `--batch-size`, and evaluate on a ninth as many after each; they take turns, each in a process of
its own on all cores. Videos have `--frames` frames or fewer, at least half as many.

ours   the epochs of jobs/train_classifier.py --engine local, which read and decode the codes of the frames anew in each
plain  a loop over float32 tensors, padded, in memory; loading and decoding them is not counted

Examples are videos of the training split. Seconds are those on the clock, and of the CPU: others may use the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_features import write_dataset
from benchmarks.measure import write_json

MODELS = ("netvlad", "nextvlad", "lstm")
FRACTIONS = ("0.9", "0.1", "0")
CLASSES = 10


def options_of(arguments: argparse.Namespace, output: str) -> Any:
    """The options of the job."""
    from cluster.training.config import TrainingOptions

    return TrainingOptions.of(
        output=output,
        features=(str(arguments.dataset),),
        model=arguments.contend_model,
        fractions=FRACTIONS,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        precision="fp32",
        engine="local",
        quiet=True,
    )


def ours(arguments: argparse.Namespace) -> dict[str, float]:
    """The epochs of the job, by its own record."""
    import torch

    from classifiers.training.loop import Training
    from classifiers.training.workers import SingleWorker
    from cluster.engines.base import usable_cores
    from cluster.training import worker
    from cluster.training.data import identity_of
    from cluster.training.kinds import load_training_data
    from cluster.training.worker import TrainingPlan, TrainingWorker

    class Timed(Training):
        """A training that counts the CPU seconds of its epochs."""

        cpu_seconds = 0.0

        def run_epoch(self, *splits: Any) -> Any:
            started = time.process_time()
            record = super().run_epoch(*splits)
            Timed.cpu_seconds += time.process_time() - started
            return record

    setattr(worker, "Training", Timed)  # noqa: B010 - a name that it imports
    with tempfile.TemporaryDirectory() as output:
        settings = options_of(arguments, output).settings()
        data = load_training_data(settings)
        plan = TrainingPlan(settings, data, identity_of(data), usable_cores())
        device = torch.device("cpu")
        history = TrainingWorker(plan, SingleWorker(), 1, device=device, report=lambda record: None)().history
    videos = len(data.splits["training"])
    return {
        "seconds": sum(epoch.seconds for epoch in history.epochs),
        "cpu_seconds": Timed.cpu_seconds,
        "examples": float(videos * len(history.epochs)),
        "loss": history.epochs[-1].training["loss"] or 0.0,
    }


def plain(arguments: argparse.Namespace) -> dict[str, float]:
    """The same network in a loop of torch alone."""
    import torch
    import torch.nn.functional as F

    from cluster.engines.base import usable_cores
    from cluster.features.source import SourceConfig
    from cluster.training.feature_data import FeatureSplit
    from cluster.training.kinds import load_training_data

    data = load_training_data(options_of(arguments, "out").settings())

    def tensors(name: str) -> tuple[torch.Tensor, ...]:
        split = data.splits[name]
        assert isinstance(split, FeatureSplit)
        (batch,) = split.source(SourceConfig(level="frame", batch_size=len(split))).batches()
        assert batch.targets is not None
        return batch.rgb, batch.audio, batch.num_frames, batch.targets

    training, validation = tensors("training"), tensors("validation")
    torch.set_num_threads(usable_cores())
    torch.manual_seed(0)
    model = data.build_model()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7, foreach=True)
    started, cpu = time.perf_counter(), time.process_time()
    for _ in range(arguments.epochs):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(training[0])).split(arguments.batch_size):  # type: ignore[no-untyped-call]
            rgb, audio, frames, classes = (values[rows] for values in training)
            longest = int(frames.max())
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(rgb[:, :longest], audio[:, :longest], frames), classes)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        model.eval()
        with torch.inference_mode():
            for start in range(0, len(validation[0]), arguments.batch_size):
                rgb, audio, frames, classes = (values[start : start + arguments.batch_size] for values in validation)
                F.cross_entropy(model(rgb, audio, frames), classes)
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "examples": float(len(training[0]) * arguments.epochs),
        "loss": total / len(training[0]),
    }


CONTENDERS: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {"ours": ours, "plain": plain}


def run_alone(name: str, model: str, dataset: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Run one contender in a process of its own."""
    command = [sys.executable, __file__, "--contender", name, "--contend-model", model, "--dataset", str(dataset)]
    command += ["--epochs", str(arguments.epochs), "--batch-size", str(arguments.batch_size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(dataset: Path, model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run both in turn; print medians and the ratio."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(arguments.rounds):
        for name, results in runs.items():
            results.append(run_alone(name, model, dataset, arguments))
    rates = {
        kind: {
            name: statistics.median(run["examples"] / run[kind] for run in results) for name, results in runs.items()
        }
        for kind in ("seconds", "cpu_seconds")
    }
    for kind, of_kind in rates.items():
        texts = ", ".join(f"{name} {rate:.2f}" for name, rate in of_kind.items())
        noun = "CPU second" if kind == "cpu_seconds" else "second"
        print(f"{model:>10}: examples a {noun}: {texts}; ours / plain {of_kind['ours'] / of_kind['plain']:.2f}")
    sys.stdout.flush()
    return {"rates": rates, "runs": runs}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--videos", type=int, default=384)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--contender", choices=tuple(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--contend-model", help=argparse.SUPPRESS)
    parser.add_argument("--dataset", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        print(json.dumps(CONTENDERS[arguments.contender](arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder), videos=arguments.videos, classes=CLASSES, frames=arguments.frames, seed=1)
        results = {model: compare(Path(folder), model, arguments) for model in arguments.models}
    write_json(arguments.json, {"videos": arguments.videos, "frames": arguments.frames, "models": results})


if __name__ == "__main__":
    main()
