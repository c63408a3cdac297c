"""Throughput of training and scoring clip classifiers, by the jobs and by a plain torch loop over the same decoder.

    python benchmarks/clips.py [--videos 192] [--rounds 3] [--model r3d-18] [--json FILE]

The videos are 5 s of 320 x 240 at 25 frames/s, links to a few different ones. All contenders decode the same clips and
run the same small network in batches of `BATCH`. They take turns on all cores; medians are compared.

training, ours   jobs/train_classifier.py on Ray: the median epoch without the first, including validation
training, plain  a DataLoader with 1 worker and with one per core, forward, backward, optimizer; likewise
scoring, ours    jobs/score_videos.py on Ray, `SCORED` times as many videos: from the first label shard to the last,
                 and the whole run
scoring, plain   a DataLoader likewise, forward, probabilities of the best classes

The bound of scoring is the throughput that its stages alone allow: CPU seconds of decoding a clip and of the network,
one thread each, measured in the same run, spread over all cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import alternating_cpu_seconds, cores, write_json
from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from schemas.clips import ClipFormat
from schemas.trainings import TrainingRecord
from tests.support.videos import Clip, write_video

ROOT = Path(__file__).resolve().parent.parent
CLASSES = ("first", "second")
OPTIONS = {"width_factor": 0.125}
BATCH = 8
EPOCHS = 4
VALIDATION_EVERY = 8  # one video of so many is for validation
SEEDS = 4
VIDEO = Clip(frames=125, width=320, height=240, options={"preset": "medium"})
SCORED = 5
SHARDS = 20  # of labels, whose times of writing give the rate
STAGE_CLIPS = 16


class Videos(Dataset[tuple[np.ndarray, int]]):
    """The clip of each video below a folder, uint8 (T, H, W, 3), and its class."""

    def __init__(self, folder: Path, form: ClipFormat) -> None:
        self._paths = sorted(folder.rglob("*.mp4"))
        self._form = form

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        path = self._paths[row]
        (clip,) = decode_clips(str(path), self._form, ClipSampling())
        return clip, CLASSES.index(path.parent.name)


def write_videos(folder: Path, count: int) -> None:
    """Write `count` videos to `videos/train/<class>/` and `videos/val/<class>/` below `folder`."""
    folder.mkdir(exist_ok=True)
    seeds = [write_video(folder / f"{seed}.mp4", replace(VIDEO, rate=25 + seed)) for seed in range(SEEDS)]
    for number in range(count):
        split = "val" if number % VALIDATION_EVERY == 0 else "train"
        target = folder / "videos" / split / CLASSES[(number + number // VALIDATION_EVERY) % len(CLASSES)]
        target.mkdir(parents=True, exist_ok=True)
        os.link(seeds[number % SEEDS], target / f"{number:05d}.mp4")


def model_of(name: str) -> ClipModel:
    """The network that all contenders run."""
    torch.manual_seed(0)
    return build_clip_model(name, num_classes=len(CLASSES), options=OPTIONS)


def loader(folder: Path, model: ClipModel, workers: int, *, shuffle: bool) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches of clips, uint8 (N, T, H, W, 3), and of classes, int64 (N,)."""
    videos = Videos(folder, model.clip_format)
    return DataLoader(
        videos,  # type: ignore[arg-type]  # clips and classes, of which the loader makes batches
        BATCH,
        shuffle=shuffle,
        num_workers=workers,
        persistent_workers=True,
    )


def plain_training(videos: Path, name: str, workers: int) -> Iterator[float]:
    """Train with torch alone; yields the seconds of each epoch."""
    model = model_of(name)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, foreach=True)
    training = loader(videos / "train", model, workers, shuffle=True)
    validation = loader(videos / "val", model, workers, shuffle=False)
    for _ in range(EPOCHS):
        started = time.perf_counter()
        model.train()
        for clips, targets in training:
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(clips), targets).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            for clips, targets in validation:
                F.cross_entropy(model(clips), targets).item()
        yield time.perf_counter() - started


def plain_scoring(videos: Path, name: str, workers: int) -> Iterator[float]:
    """Score all videos with torch alone; yields the seconds per clip, after one warm-up batch."""
    model = model_of(name).eval()
    with torch.inference_mode():
        batches = iter(loader(videos, model, workers, shuffle=False))
        model(next(batches)[0])
        started = time.perf_counter()
        count = 0
        for clips, _ in batches:
            model(clips).softmax(dim=1).topk(len(CLASSES))
            count += len(clips)
        yield (time.perf_counter() - started) / count


PLAIN = {"training": plain_training, "scoring": plain_scoring}


def run_plain(what: str, videos: Path, name: str, workers: int) -> float:
    """Clips/s of a plain loop in a process of its own; for training, of the median epoch without the first."""
    command = [sys.executable, __file__, "--plain", what, "--folder", str(videos), "--model", name]
    # As in our workers: waiting threads do not spin.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(
        [*command, "--workers", str(workers)], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    if what == "scoring":
        return 1 / seconds[0]
    return len(list(videos.glob("*/*/*.mp4"))) / statistics.median(seconds[1:])


def run_training(videos: Path, output: Path, name: str) -> float:
    """Clips/s of the job's median epoch without the first."""
    command = ["jobs/train_classifier.py", "--videos", str(videos), "--output", str(output), "--split", "column"]
    command += ["--model", name, "--model-options", *(f"{key}={value}" for key, value in OPTIONS.items())]
    command += ["--epochs", str(EPOCHS), "--optimizer", "sgd", "--batch-size", str(BATCH)]
    run_job(command)
    history = TrainingRecord.from_json((output / "training.json").read_text()).history
    return len(list(videos.glob("*/*/*.mp4"))) / statistics.median(epoch.seconds for epoch in history[1:])


def run_scoring(videos: Path, checkpoint: Path, scratch: Path) -> dict[str, float]:
    """Clips/s of the job from its first label shard to the last, and of the whole run."""
    count = len(list(videos.glob("*/*/*.mp4")))
    command = ["jobs/score_videos.py", "--videos", str(videos), "--checkpoint", str(checkpoint), "--date", "2026-01-01"]
    command += ["--precision", "fp32"]  # as the plain loop
    with tempfile.TemporaryDirectory(dir=scratch) as labels:
        started = time.perf_counter()
        run_job([*command, "--labels", labels, "--rows-per-shard", str(-(-count // SHARDS))])
        seconds = time.perf_counter() - started
        shards = sorted(Path(labels, "date=2026-01-01").glob("*.parquet"), key=lambda path: path.stat().st_mtime)
        lasted = shards[-1].stat().st_mtime - shards[0].stat().st_mtime
        later = sum(pq.read_metadata(path).num_rows for path in shards[1:])
    return {"after_startup": later / lasted, "whole": count / seconds}


def run_job(command: list[str]) -> None:
    """Run a job by its command line, on a Ray cluster of its own."""
    environment = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_JOB_ID")}
    subprocess.run([sys.executable, *command, "--quiet"], cwd=ROOT, env=environment, check=True)


def stage_seconds(videos: Path, name: str) -> dict[str, float]:
    """CPU seconds of decoding a clip, and of the network on it, one thread each."""
    model = model_of(name).eval()
    clips = Videos(videos, model.clip_format)
    batch = torch.from_numpy(np.stack([clips[row][0] for row in range(BATCH)]))
    torch.set_num_threads(1)

    def decode() -> None:
        for row in range(STAGE_CLIPS):
            clips[row]

    def network() -> None:
        with torch.inference_mode():
            for _ in range(STAGE_CLIPS // BATCH):
                model(batch)

    seconds, _ = alternating_cpu_seconds({"decode": decode, "network": network}, 3)
    return {stage: value / STAGE_CLIPS for stage, value in seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="r3d-18")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plain", choices=tuple(PLAIN), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        print(json.dumps(list(PLAIN[options.plain](options.folder, options.model, options.workers))))
        return
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_videos(Path(folder), options.videos)
        write_videos(Path(folder, "many"), options.videos * SCORED)
        videos, many = Path(folder, "videos"), Path(folder, "many", "videos")
        for number in range(options.rounds):
            checkpoint = Path(folder, f"checkpoint-{number}")
            found = {"training, ours": run_training(videos, checkpoint, options.model)}
            scored = run_scoring(many, checkpoint, Path(folder))
            found |= {"scoring, ours": scored["after_startup"], "scoring, ours, with start-up": scored["whole"]}
            for what, workers in product(PLAIN, sorted({1, cores()})):
                source = videos if what == "training" else many
                found[f"{what}, plain, {workers} workers"] = run_plain(what, source, options.model, workers)
            found["scoring, bound"] = cores() / sum(stage_seconds(videos, options.model).values())
            for name, rate in found.items():
                rates.setdefault(name, []).append(rate)
                print(f"round {number + 1}, {name}: {rate:.2f} clips/s", flush=True)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, rate in medians.items():
        print(f"{name:>30}: {rate:8.2f} clips/s")
    ratios = {
        f"{what}, ours / plain": medians[f"{what}, ours"]
        / max(rate for name, rate in medians.items() if name.startswith(f"{what}, plain"))
        for what in PLAIN
    }
    ratios["scoring, ours / bound"] = medians["scoring, ours"] / medians["scoring, bound"]
    for name, value in ratios.items():
        print(f"{name:>30}: {value:8.2f}")
    write_json(options.json, {"cores": cores(), "median_clips_per_second": medians, "ratios": ratios, "runs": rates})


if __name__ == "__main__":
    main()
