"""Training `dense-5` from Parquet, beside a bare torch loop and Keras, all on the same videos.

    python benchmarks/training.py [--videos 312000] [--epochs 20] [--rounds 3] [--json FILE]
    python benchmarks/training.py --memory [--videos 1000000] [--epochs 1]

Each contender trains on `--videos` videos in batches of 256 with RMSprop, and evaluates loss and accuracy on a ninth
as many after every epoch. They take turns, each in a process of its own on all cores; medians of the rounds are
compared.

ours           jobs/train_classifier.py from start to end: Ray, Parquet, states, results, report
ours, local    the same with --engine local, without Ray
ours, epochs   the epochs of the first, without start-up, evaluation of the splits and report
bare           torch's layers and RMSprop on tensors in memory; loading them is not counted
bare, tuned    the same with our network, whose dropout is faster
keras-arrays   model.fit on arrays in memory, without loading them
keras-dataset  model.fit on a tf.data pipeline over these arrays: shuffled, batched, prefetched

`--memory` runs the job alone and prints the peak memory of all its processes, Ray's included.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_features import write_dataset
from benchmarks.measure import MARKER, ProcessGroup, write_json

ROOT = Path(__file__).resolve().parent.parent
BATCH = 256
MEMORY_INTERVAL_SECONDS = 2.0
TRAINING_SHARE = 0.9
Arrays = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]


def ours(dataset: Path, epochs: int, engine: str, *, with_memory: bool = False) -> dict[str, float]:
    """Run the whole job; measuring its memory slows it down."""
    token = secrets.token_hex(8)
    environment = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_JOB_ID")}
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "jobs/train_classifier.py", "--features", str(dataset), "--output", output]
        command += ["--engine", engine, "--epochs", str(epochs), "--quiet", "--fractions"]
        command += [str(TRAINING_SHARE), str(round(1 - TRAINING_SHARE, 6)), "0"]
        started = time.perf_counter()
        group = ProcessGroup(token, MEMORY_INTERVAL_SECONDS)
        with group if with_memory else nullcontext():
            subprocess.run(command, cwd=ROOT, env={**environment, MARKER: token}, check=True)
        seconds = time.perf_counter() - started
        record = json.loads(Path(output, "training.json").read_text())
    print(f"{engine}, in {record['configuration']['precision']}", flush=True)  # as --precision auto has chosen
    best = record["history"][record["best_epoch"]]["validation"]
    return {
        "seconds": seconds,
        "epoch_seconds": sum(epoch["seconds"] for epoch in record["history"]),
        "accuracy": best["hit_at_one"],
        **({"peak_bytes": float(group.peak_pss_bytes)} if with_memory else {}),
    }


def load(dataset: Path, name: str) -> Arrays:
    """Features and classes of one split, in memory."""
    from cluster.features.source import SourceConfig
    from cluster.training.config import TrainingOptions
    from cluster.training.feature_data import FeatureSplit
    from cluster.training.kinds import load_training_data

    fractions = (str(TRAINING_SHARE), str(round(1 - TRAINING_SHARE, 6)), "0")
    options = TrainingOptions.of(output="out", features=(str(dataset),), fractions=fractions)
    split = load_training_data(options.settings()).splits[name]
    assert isinstance(split, FeatureSplit)
    rgb, audio = (np.empty((len(split), dim), np.float32) for dim in (1024, 128))
    classes = np.empty(len(split), np.int64)
    start = 0
    for batch in split.source(SourceConfig(batch_size=4096)).batches():
        rows = slice(start, start + len(batch))
        assert batch.targets is not None
        rgb[rows], audio[rows], classes[rows] = batch.rgb, batch.audio, batch.targets
        start += len(batch)
    return rgb, audio, classes


def bare(training: Arrays, validation: Arrays, epochs: int, *, is_tuned: bool) -> float:
    """Train with torch alone; returns the best validation accuracy."""
    import torch
    import torch.nn.functional as F

    from classifiers.feature_models.registry import build_model
    from classifiers.layers.cpu_dropout import CpuDropout

    torch.manual_seed(0)
    model = build_model("dense-5", num_classes=10)
    if not is_tuned:
        for parent in (model.get_submodule("rgb"), model.get_submodule("audio")):
            for name, layer in parent.named_children():
                if isinstance(layer, CpuDropout):
                    setattr(parent, name, torch.nn.Dropout(layer.p))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7, foreach=True)
    rgb, audio, classes = map(torch.from_numpy, training)
    held_out = [torch.from_numpy(array) for array in validation]
    counts = torch.full((BATCH,), 1)
    best = 0.0
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(classes)).split(BATCH):  # type: ignore[no-untyped-call]
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(rgb[rows], audio[rows], counts[: len(rows)]), classes[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        model.eval()
        correct = total = 0.0
        with torch.inference_mode():
            for start in range(0, len(held_out[0]), BATCH):
                rgb_batch, audio_batch, targets = (array[start : start + BATCH] for array in held_out)
                logits = model(rgb_batch, audio_batch, counts[: len(targets)])
                total += float(F.cross_entropy(logits, targets, reduction="sum"))
                correct += float((logits.argmax(dim=1) == targets).sum())
        best = max(best, correct / len(held_out[0]))
    return best


def keras(training: Arrays, validation: Arrays, epochs: int, *, as_dataset: bool) -> float:
    """Train with Keras; returns the best validation accuracy."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras as k
    import tensorflow as tf

    rgb_input, audio_input = k.Input((1024,)), k.Input((128,))
    rgb_branch = k.layers.Dropout(0.5)(k.layers.Dense(220, activation="tanh")(rgb_input))
    audio_branch = k.layers.Dropout(0.5)(k.layers.Dense(65, activation="tanh")(audio_input))
    joined = k.layers.Dense(60, activation="tanh")(k.layers.Concatenate()([rgb_branch, audio_branch]))
    model = k.Model([rgb_input, audio_input], k.layers.Dense(10, activation="softmax")(joined))
    model.compile(k.optimizers.RMSprop(), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    if not as_dataset:
        (rgb, audio, classes), (rgb_v, audio_v, classes_v) = training, validation
        held_out: Any = ([rgb_v, audio_v], classes_v)
        history = model.fit(
            [rgb, audio], classes, batch_size=BATCH, epochs=epochs, validation_data=held_out, verbose=0, shuffle=True
        )
        return float(max(history.history["val_accuracy"]))

    def pipeline(arrays: Arrays, *, shuffle: bool) -> Any:
        """Batches gathered by index, so that arrays are neither copied into the graph nor split into rows."""
        rgb, audio, classes = (tf.constant(array) for array in arrays)
        numbers = tf.data.Dataset.range(len(arrays[2]))
        if shuffle:
            numbers = numbers.shuffle(len(arrays[2]))
        batches = numbers.batch(BATCH)
        gathered = batches.map(lambda rows: ((tf.gather(rgb, rows), tf.gather(audio, rows)), tf.gather(classes, rows)))
        return gathered.prefetch(tf.data.AUTOTUNE)

    history = model.fit(
        pipeline(training, shuffle=True), epochs=epochs, validation_data=pipeline(validation, shuffle=False), verbose=0
    )
    return float(max(history.history["val_accuracy"]))


JOBS = {"ours": "ray", "ours, local": "local"}  # engines
IN_MEMORY: dict[str, Callable[[Arrays, Arrays, int], float]] = {
    "bare": lambda training, validation, epochs: bare(training, validation, epochs, is_tuned=False),
    "bare, tuned": lambda training, validation, epochs: bare(training, validation, epochs, is_tuned=True),
    "keras-arrays": lambda training, validation, epochs: keras(training, validation, epochs, as_dataset=False),
    "keras-dataset": lambda training, validation, epochs: keras(training, validation, epochs, as_dataset=True),
}


def run_alone(name: str, dataset: Path, epochs: int) -> dict[str, float]:
    """Run one in-memory contender in a process of its own; the time to load its data is not counted."""
    command = [sys.executable, __file__, "--contender", name, "--dataset", str(dataset), "--epochs", str(epochs)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def contend(name: str, dataset: Path, epochs: int) -> None:
    """Load the data, train, and print seconds and accuracy: the process of one contender."""
    training, validation = load(dataset, "training"), load(dataset, "validation")
    started = time.perf_counter()
    accuracy = IN_MEMORY[name](training, validation, epochs)
    print(json.dumps({"seconds": time.perf_counter() - started, "accuracy": accuracy}))


def compare(dataset: Path, epochs: int, rounds: int) -> dict[str, Any]:
    """Run all contenders in turn; print medians and ratios."""
    results: dict[str, list[dict[str, float]]] = {}
    for number in range(rounds):
        for name in (*JOBS, *IN_MEMORY):
            found = ours(dataset, epochs, JOBS[name]) if name in JOBS else run_alone(name, dataset, epochs)
            results.setdefault(name, []).append(found)
            print(f"round {number + 1}, {name}: {found['seconds']:.1f} s, accuracy {found['accuracy']:.4f}", flush=True)
    seconds = {name: statistics.median(run["seconds"] for run in runs) for name, runs in results.items()}
    seconds["ours, epochs"] = statistics.median(run["epoch_seconds"] for run in results["ours"])
    for name, value in seconds.items():
        print(f"{name:>14}: {value:8.1f} s")
    fastest = min(seconds["keras-arrays"], seconds["keras-dataset"])
    ratios = {
        "keras / ours": fastest / seconds["ours"],
        "keras / ours, epochs": fastest / seconds["ours, epochs"],
        "ours / bare": seconds["ours"] / seconds["bare"],
        "ours, local / bare": seconds["ours, local"] / seconds["bare"],
        "ours / bare, tuned": seconds["ours"] / seconds["bare, tuned"],
        "ours, epochs / bare, tuned": seconds["ours, epochs"] / seconds["bare, tuned"],
    }
    for name, value in ratios.items():
        print(f"{name:>26}: {value:5.2f}")
    return {"median_seconds": seconds, "ratios": ratios, "runs": results}


def measure_memory(dataset: Path, epochs: int) -> dict[str, Any]:
    """Run the job alone; print its peak memory."""
    found = ours(dataset, epochs, "ray", with_memory=True)
    print(f"peak memory of all processes: {found['peak_bytes'] / 2**30:.2f} GiB (PSS); {found['seconds']:.1f} s")
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, help="in the training split [312000; with --memory 1000000]")
    parser.add_argument("--epochs", type=int, help="[20; with --memory 1]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--folder", type=Path, help="folder for the temporary features")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--contender", choices=tuple(IN_MEMORY), help=argparse.SUPPRESS)
    parser.add_argument("--dataset", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        contend(options.contender, options.dataset, options.epochs)
        return
    videos = options.videos or (1_000_000 if options.memory else 312_000)
    epochs = options.epochs or (1 if options.memory else 20)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write_dataset(Path(folder), videos=round(videos / TRAINING_SHARE), classes=10, frames=0, seed=1)
        work = measure_memory if options.memory else compare
        arguments = (Path(folder), epochs) if options.memory else (Path(folder), epochs, options.rounds)
        result = work(*arguments)
    write_json(options.json, {"videos": videos, "epochs": epochs, **result})


if __name__ == "__main__":
    main()
