"""Time to load video-level features: from `.tfrecord` files as published, and from feature shards.

    python benchmarks/loading.py [--records 312000] [--json FILE]

The reported system took 20 minutes for 312,000 records. Both are read completely, by the code that training and scoring
use, into batches of 1024 videos with their ids and labels. The records are synthetic, 1024 per file.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_features import write_dataset
from benchmarks.measure import write_json
from classifiers.data.class_choice import LabelLists
from cluster.features.columns import read_index
from cluster.features.files import open_features
from cluster.features.source import FeatureSource, SourceConfig
from cluster.features.tfrecord_files import YOUTUBE_8M
from cluster.features.tfrecord_reader import Records
from cluster.features.tfrecord_writer import write_records

RECORDS_PER_FILE = 1024
DISTINCT_FILES = 4  # the others are links to these


def write_record_files(folder: Path, count: int) -> None:
    """`count` video-level records with two labels each."""
    rng = np.random.default_rng(0)
    distinct: list[Path] = []
    for number, start in enumerate(range(0, count, RECORDS_PER_FILE)):
        size = min(RECORDS_PER_FILE, count - start)
        path = folder / f"train{number:05d}.tfrecord"
        if size == RECORDS_PER_FILE and len(distinct) >= DISTINCT_FILES:
            path.hardlink_to(distinct[number % DISTINCT_FILES])
            continue
        labels = LabelLists(np.arange(0, 2 * size + 1, 2), rng.integers(0, 3862, 2 * size))
        ids = [f"{number:05d}-{row:05d}" for row in range(size)]
        rgb, audio = (rng.standard_normal((size, dim), dtype=np.float32) for dim in (1024, 128))
        write_records(str(path), [Records(ids, labels, rgb, audio, None, None, [""] * size)], YOUTUBE_8M)
        distinct.append(path)


def timed(read: Callable[[], int], expected: int) -> float:
    """Seconds that `read` takes, after checking the number of videos that it returns."""
    started = time.perf_counter()
    found = read()
    seconds = time.perf_counter() - started
    assert found == expected, f"{found} videos of {expected}"
    return seconds


def stream(folder: Path, *, shuffle: bool = False, with_ids: bool = False) -> int:
    """Read all features below `folder` in batches."""
    config = SourceConfig(batch_size=1024, shuffle=shuffle, with_ids=with_ids)
    return sum(len(batch) for batch in FeatureSource(open_features([str(folder)]), config).batches())


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=312_000)
    parser.add_argument("--folder", type=Path, help="folder for the temporary files")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    result: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        records, shards = Path(name, "records"), Path(name, "shards")
        records.mkdir()
        write_record_files(records, options.records)
        write_dataset(shards, videos=options.records, classes=10, frames=0, seed=0)
        readers: dict[str, Callable[[], int]] = {
            ".tfrecord, features and ids": lambda: stream(records, with_ids=True),
            ".tfrecord, ids and labels": lambda: len(read_index(open_features([str(records)])).ids),
            ".parquet, ids and labels": lambda: len(read_index(open_features([str(shards)])).ids),
            ".parquet, features in order": lambda: stream(shards),
            ".parquet, features shuffled": lambda: stream(shards, shuffle=True),
        }
        for what, read in readers.items():
            seconds = timed(read, options.records)
            result[what] = {"seconds": seconds, "per_second": options.records / seconds}
            print(f"{what}: {options.records} videos in {seconds:.1f} s, {options.records / seconds:,.0f} videos/s")
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(f"peak memory {peak_bytes / 2**30:.2f} GiB")
    write_json(options.json, {"records": options.records, "peak_bytes": peak_bytes, "readers": result})


if __name__ == "__main__":
    main()
