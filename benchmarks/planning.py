"""The driver before and beside the work: how long until the first task, how long in all, and how much memory.

    python benchmarks/planning.py [--ids 1000000 10000000 100000000] [--manifest csv] [--first 30] [--json FILE]

A bucket of so many videos is listed, from a generator in place of the store, and joined with a dataset whose ledger is
generated and indexed: nine of ten videos are settled. With `--manifest`, a CSV or Parquet file names them with their
ids; the version of each is asked for, of a function in place of a disk. Nothing is decoded. `--first` stops so many
seconds after the first task. Seconds are wall time, and CPU seconds of this process; memory is the largest resident set
of a process that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import write_json
from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.ledger_index import write_index
from cluster.datasets.manifest import open_input
from cluster.datasets.partitions import PARTS, WHOLE, hashes_of
from cluster.datasets.settled_rows import ROWS, SettledRows
from cluster.extraction.backlog import Backlog
from cluster.extraction.config import ExtractionOptions
from cluster.storage import listing, versions
from cluster.storage.buckets import StoredFile
from cluster.storage.parquet import write_table
from cluster.storage.spill import Spill
from cluster.storage.writer import PlainWriter

SOURCE = "/videos"
IDS_A_FOLDER = 10_000
ROWS_A_SHARD = 1024
SETTLED = 9  # of ten
AT_ONCE = 1 << 18
DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ids", type=int, nargs="+", default=[10**6, 10**7, 10**8])
    parser.add_argument("--manifest", choices=["csv", "parquet"], help="name the videos in such a file")
    parser.add_argument("--first", type=float, help="stop so many seconds after the first task")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        print(json.dumps(planned(arguments.child, arguments.ids[0], arguments.first, arguments.manifest)))
        return
    print("       ids  first task s  all s  CPU s  CPU us an id  handed out  peak MiB", flush=True)
    results = []
    for count in arguments.ids:
        with tempfile.TemporaryDirectory() as folder:
            write_ledger(Path(folder), count)
            command = [sys.executable, __file__, "--child", folder, "--ids", str(count)]
            command += [] if arguments.first is None else ["--first", str(arguments.first)]
            if arguments.manifest is not None:
                write_manifest(manifest_in(Path(folder), arguments.manifest), count)
                command += ["--manifest", arguments.manifest]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found = json.loads(output.splitlines()[-1])
        results.append(found)
        print(
            f"{count:>10,}  {found['first_seconds']:12.1f}  {found['seconds']:5.0f}  {found['cpu_seconds']:5.0f}  "
            f"{found['cpu_seconds'] / found['seen'] * 1e6:12.1f}  {found['handed_out']:>10,}  {found['peak_mib']:8.0f}",
            flush=True,
        )
    write_json(arguments.json, results)


def planned(folder: Path, count: int, most_seconds: float | None, manifest: str | None) -> dict[str, Any]:
    """Go through all that is left to do; the measurements."""
    started, cpu_started = time.monotonic(), time.process_time()
    first_seconds, handed_out = None, 0
    source = SOURCE if manifest is None else str(manifest_in(folder, manifest))
    options = ExtractionOptions.of(input=source, output=str(folder))
    dataset = made_dataset(folder, "r2")
    on_disk = listing._on_disk
    generated = mock.patch.object(
        listing, "_on_disk", lambda root, *given: listed(count) if root == SOURCE else on_disk(root, *given)
    )
    of_manifest = mock.patch.object(versions, "_version", lambda uri, policy: version_of(int(uri[-15:-4])))
    with generated, of_manifest:
        stream = open_input(source)
        with dataset.lease(), closing(stream), closing(Backlog(stream, dataset, options)) as backlog:
            backlog.begin()
            for video in backlog:
                if video is None:
                    time.sleep(0.05)
                    continue
                handed_out += 1
                first_seconds = first_seconds or time.monotonic() - started
                if most_seconds is not None and time.monotonic() - started > first_seconds + most_seconds:
                    break
            seen = backlog.seen
    return {
        "ids": count,
        "first_seconds": first_seconds,
        "seconds": time.monotonic() - started,
        "cpu_seconds": time.process_time() - cpu_started,
        "seen": seen,
        "handed_out": handed_out,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def name_of(number: int) -> str:
    """The id of a video, as long as those of a real bucket."""
    return f"{number // IDS_A_FOLDER:06d}/video-{number:011d}"


def listed(count: int) -> Iterator[StoredFile]:
    """The listing."""
    return (StoredFile(f"{SOURCE}/{name_of(number)}.mp4", 1 << 20, version_of(number)) for number in range(count))


def manifest_in(folder: Path, kind: str) -> Path:
    """Where the manifest is."""
    return folder / f"manifest.{kind}"


def write_manifest(path: Path, count: int) -> None:
    """The ids and URIs of all videos, in order."""
    writers = {".csv": pa.csv.CSVWriter, ".parquet": pa.parquet.ParquetWriter}
    with writers[path.suffix](str(path), pa.schema([("id", pa.string()), ("uri", pa.string())])) as writer:
        for first in range(0, count, AT_ONCE):
            names = ids_of(np.arange(first, min(first + AT_ONCE, count)))
            uris = pc.binary_join_element_wise(f"{SOURCE}/", names, ".mp4", "")
            writer.write_table(pa.table({"id": names, "uri": uris}))


def ids_of(numbers: NDArray[np.int64]) -> pa.StringArray:
    """(numbers,) the ids of the videos."""
    return texts(numbers, name_of(0), {(0, 6): IDS_A_FOLDER, (13, 24): 1}, base=10)


def texts(numbers: NDArray[np.int64], pattern: str, digits: dict[tuple[int, int], int], base: int) -> pa.StringArray:
    """(numbers,) the pattern with digits of `base` from one place to another: the number, divided by an integer."""
    characters = np.tile(np.frombuffer(pattern.encode(), np.uint8), (len(numbers), 1))
    for (start, end), divisor in digits.items():
        left = numbers // divisor
        for place in reversed(range(start, end)):
            characters[:, place] = DIGITS[left % base]
            left //= base
    offsets = np.arange(0, characters.size + 1, len(pattern), dtype=np.int32)
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(characters))


def version_of(number: int) -> str:
    """As an object store tells it."""
    return f"etag:{number:032x}"


def made_dataset(folder: Path, run_id: str) -> FeatureDataset:
    """The dataset."""
    return FeatureDataset(str(folder), run_id=run_id, rgb_dim=8, frame_features=False, fingerprint={})


def write_ledger(folder: Path, count: int) -> None:
    """Shards and ledgers as empty files, which nobody opens, and the index that holds what would be in them.

    Of the shards, the first says how the features are made.
    """
    settled = count * SETTLED // 10
    for name in ("features", "ledger"):
        (folder / name).mkdir()
        for number in range(-(-settled // ROWS_A_SHARD)):
            (folder / name / f"part-r1-{number:07d}.parquet").touch()
    dataset = made_dataset(folder, "r1")
    schema = dataset._schema.with_metadata(dataset._metadata)
    write_table(str(folder / "features" / "part-r1-0000000.parquet"), schema.empty_table())
    with closing(Spill(ROWS, PARTS)) as spill:
        for first in range(0, count, AT_ONCE):
            numbers = np.arange(first, min(first + AT_ONCE, count))
            numbers = numbers[numbers % 10 < SETTLED]
            names = ids_of(numbers)
            contents = texts(numbers, version_of(0), {(29, 37): 1}, base=16)
            nothing = pa.nulls(len(numbers), pa.string())
            places = pa.array((numbers // 10 * SETTLED + numbers % 10) // ROWS_A_SHARD, pa.int32())
            table = pa.Table.from_arrays([names, contents, nothing, nothing, places], schema=ROWS)
            spill.add(table, WHOLE.parts(hashes_of(names.to_pylist())))
        spill.flush()
        with closing(SettledRows(dataset.settled_files(), PARTS)) as rows:
            indexed = rows.files_table()
        write_index(PlainWriter(), str(folder / "index"), "r1", indexed, map(spill.part, range(PARTS)))


if __name__ == "__main__":
    main()
