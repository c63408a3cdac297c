"""Throughput of the scoring job, from feature shards to label shards, beside that of its parts.

    python benchmarks/scoring.py [--videos 1000000] [--classes 10] [--model dense-5] [--engine local ray] [--json FILE]

Features are generated (`generated_features`) for a few shards, which are written again under other ids until there are
enough. 1,000,000 videos take 4.6 GB, in a folder that is removed at the end (`--folder` keeps them for the next run).

Two rates are printed for each run of the job. The first counts from the command to its end: start of Python, of Ray and
its workers, reading checkpoint and ids, and everything else. The rate after start-up counts from the first label shard
to the last, and the videos of all shards but the first. For comparison, a bare loop runs one thread per core over
features in memory: the network alone, and with the selection of the best labels.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_features import VIDEOS_PER_SHARD, write_dataset
from benchmarks.measure import MARKER, ProcessGroup, cores, write_json
from classifiers.data.batches import FeatureBatch
from classifiers.feature_models.registry import build_model
from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.weights.checkpoint import Checkpoint, CheckpointConfig, write_checkpoint
from cluster.features.files import open_features
from cluster.scoring.plan import read_checkpoint_at
from cluster.storage.parquet import write_table

ROOT = Path(__file__).resolve().parent.parent
DRAWN_SHARDS = 4
BATCH = 512
MEMORY_INTERVAL_SECONDS = 1.0
BARE_VIDEOS = 1 << 17


@dataclass(frozen=True)
class JobRun:
    """One run of the job."""

    engine: str
    videos: int
    wall_seconds: float
    videos_per_second: float
    videos_per_second_after_startup: float
    peak_pss_bytes: int
    label_bytes: int


def write_features(root: Path, videos: int, classes: int) -> None:
    """Write the features of `videos` videos, unless they exist."""
    folder = root / "features"
    present = sum(pq.read_metadata(path).num_rows for path in folder.glob("*.parquet")) if folder.exists() else 0
    if present == videos:
        return
    if present:
        raise SystemExit(f"{root} holds {present} videos, not {videos}: give another --folder")
    write_dataset(root, videos=min(videos, DRAWN_SHARDS * VIDEOS_PER_SHARD), classes=classes, frames=0, seed=0)
    drawn = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    for number, start in enumerate(range(0, videos, VIDEOS_PER_SHARD)):
        table = drawn[number % len(drawn)].slice(0, min(VIDEOS_PER_SHARD, videos - start))
        ids = pa.array([f"{number:05d}-{row:05d}" for row in range(len(table))])
        table = table.set_column(table.schema.get_field_index("id"), table.schema.field("id"), ids)
        write_table(str(folder / f"part-{number:05d}.parquet"), table)  # as the extraction writes them


def write_model(folder: Path, name: str, classes: int, features: Path) -> None:
    """Write a checkpoint with random weights; speed does not depend on them."""
    torch.manual_seed(0)
    model = build_model(name, num_classes=classes)
    config = CheckpointConfig(
        model=name,
        options={},
        num_classes=classes,
        class_names=tuple(f"Class {place}" for place in range(classes)),
        class_indices=tuple(range(classes)),
        rgb_dim=1024,
        audio_dim=128,
        level=model.level,
        task="single-label",
        input_columns=("mean_rgb", "mean_audio"),
        feature_fingerprint=open_features([str(features)]).fingerprint,
        temperature=1.0,
        metrics={},
        training={},
        seed=0,
    )
    folder.mkdir(parents=True)
    for name, content in write_checkpoint(Checkpoint(config, model.state_dict())).items():
        (folder / name).write_bytes(content)


def run_job(engine: str, features: Path, checkpoint: Path) -> JobRun:
    """Run the job by its command line."""
    token = secrets.token_hex(8)
    with (
        tempfile.TemporaryDirectory(dir=features.parent) as labels,
        ProcessGroup(token, MEMORY_INTERVAL_SECONDS) as processes,
    ):
        command = [sys.executable, str(ROOT / "jobs" / "score_videos.py"), "--features", str(features), "--quiet"]
        command += ["--checkpoint", str(checkpoint), "--labels", labels, "--date", "2026-01-01", "--engine", engine]
        started = time.perf_counter()
        subprocess.run(command, check=True, env={**os.environ, MARKER: token})
        wall_seconds = time.perf_counter() - started
        shards = sorted(Path(labels, "date=2026-01-01").iterdir(), key=lambda path: path.stat().st_mtime)
        rows = [pq.read_metadata(path).num_rows for path in shards]
        lasted = shards[-1].stat().st_mtime - shards[0].stat().st_mtime
        return JobRun(
            engine,
            sum(rows),
            wall_seconds,
            sum(rows) / wall_seconds,
            sum(rows[1:]) / lasted if lasted else float("nan"),
            processes.peak_pss_bytes,
            sum(path.stat().st_size for path in shards),
        )


def bare_rates(checkpoint: Path, top_k: int = 20) -> dict[str, float]:
    """Videos/s of a loop over tensors in memory, with one thread per core."""
    classifier = TrainedClassifier({"c": read_checkpoint_at(str(checkpoint))})
    rng = np.random.default_rng(0)
    rgb, audio = (torch.from_numpy(rng.standard_normal((8 * BATCH, dim), dtype=np.float32)) for dim in (1024, 128))
    frames = torch.full((8 * BATCH,), 240)
    batches = [
        FeatureBatch(rgb[at : at + BATCH], audio[at : at + BATCH], frames[at : at + BATCH])
        for at in range(0, 8 * BATCH, BATCH)
    ]

    def network(batch: FeatureBatch) -> None:
        with torch.inference_mode():
            classifier.model(batch.rgb, batch.audio, batch.num_frames)

    def labels(batch: FeatureBatch) -> None:
        classifier.label(batch, top_k)

    rates = {}
    torch.set_num_threads(1)
    for name, work in (("network", network), ("network and best labels", labels)):
        with ThreadPoolExecutor(cores(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(work, batches))
            started = time.perf_counter()
            list(pool.map(work, batches * (BARE_VIDEOS // (8 * BATCH))))
            rates[name] = BARE_VIDEOS / (time.perf_counter() - started)
    return rates


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--model", default="dense-5")
    parser.add_argument("--engine", nargs="+", default=["local", "ray"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        write_features(folder / "data", arguments.videos, arguments.classes)
        write_model(Path(scratch, "model"), arguments.model, arguments.classes, folder / "data")
        bare = bare_rates(Path(scratch, "model"))
        for name, rate in bare.items():
            print(f"{name:>24}: {rate:10,.0f} videos/s in memory")
        runs = [run_job(engine, folder / "data", Path(scratch, "model")) for engine in arguments.engine]
    for run in runs:
        print(
            f"{run.engine:>24}: {run.videos_per_second_after_startup:10,.0f} videos/s after start-up, "
            f"{run.videos_per_second:,.0f} with it; {run.wall_seconds:.1f} s, {run.peak_pss_bytes / 2**30:.2f} GiB, "
            f"{run.label_bytes / run.videos:.0f} bytes of labels a video"
        )
    write_json(arguments.json, {"cores": cores(), "bare": bare, "runs": [asdict(run) for run in runs]})


if __name__ == "__main__":
    main()
