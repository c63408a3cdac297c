"""What thousands of small shards cost, and what is left of it after a compaction.

    python benchmarks/compaction.py [--shards 2000] [--rows 10] [--rounds 3] [--root FOLDER] [--json FILE]

As many nights as shards have brought some new videos each. Measured before and after `jobs/compact_features.py`: the
increment, which lists the shards and reads their ledgers; opening the features; one pass of a training over the means;
the plan of a scoring. Wall seconds, medians of some rounds after one that is not counted; the files are in the page
cache. `--root` takes a folder on another disk, or a bucket.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import write_json
from cluster.compaction.config import CompactionOptions
from cluster.compaction.job import run_compaction
from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.increment import increment_of
from cluster.features.files import open_features
from cluster.features.source import FeatureSource, SourceConfig
from cluster.scoring.feature_plan import read_rows
from cluster.storage import files
from cluster.storage.listing import list_files
from schemas.features import AUDIO_DIM, FeatureRow
from schemas.videos import Video

RGB_DIM = 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=10, help="videos of a night")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--root", help="where the dataset is written; by default a temporary folder")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = files.join(arguments.root or folder, "features-to-compact")
        write_nights(root, arguments.shards, arguments.rows)
        before = measure(root, arguments.rounds)
        started = time.perf_counter()
        if run_compaction(CompactionOptions.of(output=root)):
            sys.exit(1)
        seconds = time.perf_counter() - started
        after = measure(root, arguments.rounds)
    small = int(before.pop("files")), int(after.pop("files"))
    print(f"{small[0]:,} files of {arguments.rows} rows became {small[1]:,} in {seconds:.1f} s")
    for what, value in before.items():
        print(f"{what:32} {value:8.3f} s → {after[what]:.3f} s, {value / after[what]:.1f} times as fast")
    write_json(arguments.json, {"files": small, "compaction_seconds": seconds, "before": before, "after": after})


def video(number: int) -> Video:
    """A video that does not change."""
    return Video(f"v{number:08d}", f"in/{number:08d}.mp4", version="1")


def write_nights(root: str, shards: int, rows: int) -> None:
    """Shards of random features."""
    rng = np.random.default_rng(0)
    for night in range(shards):
        dataset = opened(root, f"20260101T{night // 3600:02d}{night // 60 % 60:02d}{night % 60:02d}-benchm")
        means = rng.standard_normal((rows, RGB_DIM + AUDIO_DIM), np.float32)
        done = [
            FeatureRow(one.id, (night % 10,), mean[:RGB_DIM], mean[RGB_DIM:], True, 240, 240.0, one.uri)
            for one, mean in zip(map(video, range(night * rows, (night + 1) * rows)), means, strict=True)
        ]
        dataset.commit(0, [(row, "1") for row in done], [], ())


def opened(root: str, run_id: str) -> FeatureDataset:
    """The dataset."""
    return FeatureDataset(root, run_id=run_id, rgb_dim=RGB_DIM, frame_features=False, fingerprint={"source": "random"})


def measure(root: str, rounds: int) -> dict[str, float]:
    """Seconds of each kind of use, and the number of files."""
    found = open_features([root])
    videos = list(map(video, range(found.rows)))

    def increment() -> None:
        assert not increment_of(videos, opened(root, "r").settled(), None).pending

    def training_pass() -> None:
        source = FeatureSource(open_features([root]), SourceConfig(shuffle=True))
        assert sum(len(batch.rgb) for batch in source.batches()) == len(videos)

    uses: dict[str, Callable[[], object]] = {
        "increment of an extraction": increment,
        "opening the features": lambda: open_features([root]),
        "opening and a pass of a training": training_pass,
        "opening and a plan of a scoring": lambda: read_rows(open_features([root])),
    }
    return {
        "files": sum(1 for _ in list_files(files.join(root, "features"))),
        **{what: statistics.median([seconds(use) for _ in range(rounds + 1)][1:]) for what, use in uses.items()},
    }


def seconds(use: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    use()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
