"""What a small video costs in a tar and as a file of its own: client CPU and requests.

    python benchmarks/packed_videos.py [--videos 400] [--json FILE]

The same two-second videos are opened and their headers read, one after the other, by the worker of a dry run: from
files and from a tar, on disk and from an http server in another process. Requests are those that the server counts, the
listing aside. CPU is that of this process alone; files and tars take turns, and medians are compared.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import write_json
from benchmarks.sample_clips import short_clips
from cluster.datasets.video_folder import list_videos
from cluster.engines.tasks import Done, TaskQueue
from cluster.engines.video_worker import VideoWorker
from cluster.extraction.length_probe import LengthProbe
from schemas.videos import Video
from tests.support.servers import FileHandler, http_files
from tests.support.tars import pack

ROUNDS = 3
BATCH = 20  # of Ray's, with a second of work


def serve(folder: Path, address: Any, count: Any) -> None:
    """Serve the files of a folder, and count the requests."""
    answer = FileHandler.answer

    def counted(self: FileHandler, **given: bool) -> None:
        count.value += 1
        answer(self, **given)

    FileHandler.answer = counted  # type: ignore[method-assign]
    with http_files(folder) as root:
        address.put(root)
        time.sleep(3600)


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, Any]]:
    """The address of such a server, and its count."""
    address: multiprocessing.Queue[str] = multiprocessing.Queue()
    count = multiprocessing.Value("i", 0)
    process = multiprocessing.Process(target=serve, args=(folder, address, count), daemon=True)
    process.start()
    try:
        yield address.get(), count
    finally:
        process.terminate()


def cpu_milliseconds(videos: list[Video]) -> float:
    """Of each video."""
    worker = VideoWorker(LengthProbe(1 << 24), 1 << 30, 60.0)
    queue = TaskQueue(videos)
    started = time.process_time()
    while batch := queue.take_batch(BATCH):
        for task in batch:
            outcome = worker(task)
            assert isinstance(outcome, Done), outcome
    return 1e3 * (time.process_time() - started) / len(videos)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=400)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        short_clips(root / "files", arguments.videos)
        tar = pack(root / "packed.tar", sorted((root / "files").iterdir()), root / "files")
        mean_bytes = tar.stat().st_size / arguments.videos
        files, members = list_videos(str(root / "files")).videos, list_videos(str(tar)).videos
        with server(root) as (address, count):
            contenders = {
                "file on disk": files,
                "member on disk": members,
                "file over http": [replace(v, uri=v.uri.replace(str(root), address)) for v in files],
                "member over http": [replace(v, uri=v.uri.replace(str(root), address)) for v in members],
            }
            times: dict[str, list[float]] = {name: [] for name in contenders}
            requests = {}
            for _ in range(ROUNDS):
                for name, videos in contenders.items():
                    count.value = 0
                    times[name].append(cpu_milliseconds(videos))
                    requests[name] = count.value / len(videos)
    print(f"{arguments.videos} videos of {mean_bytes / 1e3:.0f} kB, {os.cpu_count()} cores, medians of {ROUNDS} rounds")
    for name, values in times.items():
        rows[name] = {"cpu_milliseconds": statistics.median(values), "requests": requests[name]}
        print(f"{name:<18}{rows[name]['cpu_milliseconds']:8.2f} ms of CPU{requests[name]:8.3f} requests a video")
    write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
