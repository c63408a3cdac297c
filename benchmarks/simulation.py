"""What limits a run: a discrete-event simulation of 1 to 1,000 nodes, from costs measured on this machine.

    python benchmarks/simulation.py [--frame-seconds 0.025] [--prefixes 32] [--json FILE]

Simulated is the Ray engine as it is: one driver goes round all workers, takes what is ready and hands out the next
tasks; each worker has two batches, and fetches a video before it decodes, or at the pace that the store allows. Where
the nodes are divided among several runs, each over a part of the videos, every run has its driver and its share of the
store. Measured, in this process: what a batch and an outcome in it cost the driver, from Ray's reply to the shard; what
going round costs for each worker; what a row of a manifest and an id in the ledger cost; how many requests a video
takes, in a file of its own or among others in a tar. Assumed are the constants below. The driver is simulated without
the rest of its machine's load.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import ray

from benchmarks.measure import write_json
from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_writer import write_manifest
from cluster.datasets.shard_sink import Sink
from cluster.engines.ray import BATCH_SECONDS, BATCHES_ON_HAND, BATCHES_PER_SECOND
from cluster.engines.ray_cluster import join_cluster
from cluster.engines.ray_workers import MAX_BATCH_TASKS
from cluster.engines.tasks import Done, Task, TaskQueue
from cluster.extraction.assembler import Assembler
from cluster.storage.forward_reads import MemberReads
from cluster.storage.range_reader import MAX_BLOCK_BYTES, RUN_FRACTION, WHOLE_BYTES, RangeReader
from cluster.storage.range_requests import Answer
from cluster.storage.tar_members import BLOCK_BYTES
from extractors.features import SegmentFeatures
from extractors.segments import Segment
from schemas.codes import Codes
from schemas.features import AUDIO_DIM
from schemas.videos import Video

NODES = (1, 10, 100, 1000)
CORES = 16  # of a node
NODE_BYTES_PER_SECOND = 1.25e9  # 10 Gbit/s
STORE_BYTES_PER_SECOND = 1e11  # a bucket's share of a region
STORE_REQUESTS_PER_SECOND = 5_000  # reads below one prefix before a store begins to refuse
PREFIXES = 32  # over which the videos are spread
NODES_OF_A_RUN = {300: 50, 2: 3}  # where many runs share the nodes, by the seconds of a video
LISTED_PER_SECOND = 5_000  # 1,000 names a request, one request after the other
BYTES_PER_SECOND = 125_000  # of video: 1 Mbit/s
DIM = 1024
SAMPLES = 500
BATCH = 20
BATCHES_PER_WORKER = 12


@dataclass(frozen=True)
class Costs:
    """CPU seconds on the driver.

    Of a batch, of an outcome, of a round for each worker, of each id settled before, of each row of a manifest.
    """

    batch: float
    outcome: float
    per_worker: float
    per_settled_id: float
    per_row: float


@dataclass(frozen=True)
class Load:
    """What the videos are, whether they are packed into tars, and how many core seconds one of them takes.

    Members of tars are named by a manifest; other videos are listed.
    """

    name: str
    video_seconds: int
    work_seconds: float
    in_tars: bool = False


@dataclass(frozen=True)
class Result:
    """`use`: the share of the time after start-up that each resource is busy; `limit`: what the run waits for."""

    load: str
    nodes: int
    runs: int
    videos: int
    requests: float  # of each video
    startup_seconds: float
    seconds: float
    use: dict[str, float]
    limit: str


class Echo:
    """An actor that answers with what it was made of, or not until it is told."""

    def __init__(self, features: SegmentFeatures) -> None:
        self._features = features

    def work(self, batch: list[Task]) -> list[Done[SegmentFeatures]]:
        """Carry out tasks in no time."""
        return [Done(task, replace(self._features)) for task in batch]

    def rest(self, seconds: float) -> None:
        """Be busy."""
        time.sleep(seconds)


def cpu_seconds(call: Callable[[], object]) -> float:
    """Of all threads of this process."""
    started = time.process_time()
    call()
    return time.process_time() - started


def measure_costs(video_seconds: int) -> Costs:
    """Go through what the driver does for each video, with the real parts and 8-bit features of every second."""
    features = SegmentFeatures(
        segment=Segment(),
        num_frames=video_seconds,
        duration_seconds=float(video_seconds),
        rgb_sum=np.zeros(DIM),
        audio_sum=np.zeros(AUDIO_DIM),
        rgb=Codes.of(np.random.default_rng(0).integers(0, 256, (video_seconds, DIM), np.uint8)),
        audio=Codes.of(np.zeros((video_seconds, AUDIO_DIM), np.uint8)),
        has_audio=True,
        seconds_by_stage={"decode": 1.0},
        size_bytes=1,
        video_seconds=float(Fraction(video_seconds)),
    )
    actor = ray.remote(Echo).options(num_cpus=0).remote(features)
    ray.get(actor.rest.remote(0.0))
    with tempfile.TemporaryDirectory() as folder:
        dataset = FeatureDataset(folder, run_id="run", rgb_dim=DIM, frame_features=True, fingerprint={})
        dataset.prepare()

        def drive(size: int) -> None:
            queue = TaskQueue(Video(id=f"video-{number}", uri="") for number in range(SAMPLES))
            assembler, sink = Assembler(lambda _: (), "run"), Sink(dataset, 100, ())
            while batch := queue.take_batch(size):
                for outcome in ray.get(actor.work.remote(batch)):
                    assert queue.settle(outcome) is outcome
                    sink.add_row(assembler.add(outcome), "")  # type: ignore[arg-type]
            sink.commit()

        alone = cpu_seconds(lambda: drive(1)) / SAMPLES
        in_batches = cpu_seconds(lambda: drive(BATCH)) / SAMPLES
        batch_seconds = max(alone - in_batches, 0.0) * BATCH / (BATCH - 1)
        settled_seconds = cpu_seconds(dataset.settled) / SAMPLES
        manifest = Path(folder, "manifest.jsonl")
        members = [
            Video(f"shard/{number}", f"gs://b/a.tar#bytes={512 + 1024 * number}-{1024 * number + 999}")
            for number in range(SAMPLES)
        ]
        write_manifest(str(manifest), members)
        row_seconds = cpu_seconds(lambda: read_videos(str(manifest))) / SAMPLES
    waiting = [actor.rest.remote(0.01) for _ in range(SAMPLES)]
    per_worker = cpu_seconds(lambda: ray.wait(waiting, timeout=0, fetch_local=False)) / SAMPLES
    ray.kill(actor)
    return Costs(
        batch_seconds, max(alone - batch_seconds, 0.0), BATCHES_ON_HAND * per_worker, settled_seconds, row_seconds
    )


def requests_of(size_bytes: int, batch: int, *, in_tars: bool) -> float:
    """How many each of a batch of videos of that size takes that are read from their starts to their ends."""
    count = 0

    def fetch(start: int, end: int) -> bytes:
        nonlocal count
        count += 1
        return bytes(end - start)

    def answer(start: int, end: int) -> Answer:
        return Answer(fetch(start, end), None, "")

    if in_tars:
        reads, step = MemberReads(), size_bytes + BLOCK_BYTES
        for start in range(0, batch * step, step):
            reads.read(("a.tar", ""), answer, start, start + step, batch * step)
        return count / batch
    head_bytes = size_bytes if size_bytes <= WHOLE_BYTES else min(size_bytes // RUN_FRACTION, MAX_BLOCK_BYTES)
    with RangeReader(fetch, size_bytes, fetch(0, head_bytes)) as reader:
        reader.expect_all()
        while reader.read(1 << 20):
            pass
    return count


def simulate(load: Load, nodes: int, runs: int, costs: Costs, prefixes: int = PREFIXES) -> Result:
    """Run `BATCHES_PER_WORKER` batches through each worker of `nodes` nodes, half of all videos settled before.

    The nodes are those of each of `runs` runs.
    """
    workers = nodes * CORES
    batch_seconds = max(BATCH_SECONDS, workers / BATCHES_PER_SECOND)
    size = min(max(1, int(batch_seconds / load.work_seconds)), MAX_BATCH_TASKS)
    batches = workers * BATCHES_PER_WORKER
    videos = batches * size
    listing = costs.per_row if load.in_tars else 1 / LISTED_PER_SECOND
    startup = 2 * videos * listing + videos * costs.per_settled_id
    bytes_each = load.video_seconds * BYTES_PER_SECOND
    store_bytes, store_requests = STORE_BYTES_PER_SECOND / runs, prefixes * STORE_REQUESTS_PER_SECOND / runs
    fetch = bytes_each / (NODE_BYTES_PER_SECOND / CORES)
    requests = requests_of(int(bytes_each), size, in_tars=load.in_tars)
    pace = workers * max(bytes_each / store_bytes, requests / store_requests)  # of each worker, at the store's limits
    per_batch = costs.batch + size * costs.outcome
    rng = random.Random(0)  # noqa: S311 - not for secrets
    now = 0.0
    free_at = [0.0] * workers
    ends: list[tuple[float, int]] = []
    handed_out = 0

    def hand_out(worker: int) -> None:
        nonlocal handed_out
        if handed_out < batches:
            handed_out += 1
            work = sum(max(fetch + load.work_seconds * rng.uniform(0.5, 1.5), pace) for _ in range(size))
            free_at[worker] = max(free_at[worker], now) + work
            heapq.heappush(ends, (free_at[worker], worker))

    for _ in range(BATCHES_ON_HAND):
        for worker in range(workers):
            hand_out(worker)
    while ends:
        now = max(now, ends[0][0])
        ready = []
        while ends and ends[0][0] <= now:
            ready.append(heapq.heappop(ends)[1])
        now += costs.per_worker * workers + per_batch * len(ready)
        for worker in ready:
            hand_out(worker)
    use = {
        "cores": videos * load.work_seconds / workers / now,
        "driver": batches * per_batch / now,  # it goes round the more often the less there is to do
        "network": videos * bytes_each / nodes / NODE_BYTES_PER_SECOND / now,
        "store, bytes": videos * bytes_each / store_bytes / now,
        "store, requests": videos * requests / store_requests / now,
    }
    shares = {**use, "listing and ledger": startup / (startup + now)}
    # Cores are what should be busy, but for a run's last tasks; another limit counts where they are not.
    is_busy = use["cores"] > 0.7 and startup < now / 2
    limit = "cores" if is_busy else max(set(shares) - {"cores"}, key=shares.__getitem__)
    return Result(load.name, nodes * runs, runs, videos * runs, requests, startup, now, use, limit)


def main() -> None:
    """Measure, simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frame-seconds", type=float, default=0.025, help="core seconds to decode and embed a frame")
    parser.add_argument("--prefixes", type=int, default=PREFIXES, help="over which the videos are spread")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    join_cluster(None)
    results, measured = [], {}
    for video_seconds in (300, 2):
        costs = measure_costs(video_seconds)
        name = f"{video_seconds} s"
        measured[name] = asdict(costs)
        print(f"videos of {name}: a batch costs the driver {1e3 * costs.batch:.2f} ms, ", end="")
        print(f"an outcome {1e3 * costs.outcome:.2f} ms, a round {1e6 * costs.per_worker:.1f} us a worker, ", end="")
        print(f"the ledger {1e6 * costs.per_settled_id:.1f} us an id, a manifest {1e6 * costs.per_row:.1f} us a row")
        load = Load(name, video_seconds, arguments.frame_seconds * video_seconds)
        results += [simulate(load, nodes, 1, costs, arguments.prefixes) for nodes in NODES]
        packed = replace(load, name=f"{name}, in tars", in_tars=True)
        is_small = video_seconds * BYTES_PER_SECOND <= WHOLE_BYTES  # a larger member is read as a file of its own
        share = NODES_OF_A_RUN[video_seconds]
        results += [
            simulate(one, share, -(-nodes // share), costs, arguments.prefixes)
            for one in ([load, packed] if is_small else [load])
            for nodes in NODES[2:]
        ]
    ray.shutdown()
    print(
        f"{'videos':>13}{'nodes':>7}{'runs':>6}{'requests':>10}{'start, s':>10}{'work, s':>9}{'videos/s':>11}", end=""
    )
    print("".join(f"{name:>17}" for name in results[0].use) + "  limit")
    for result in results:
        print(f"{result.load:>13}{result.nodes:>7}{result.runs:>6}{result.requests:>10.2f}", end="")
        print(f"{result.startup_seconds:>10.1f}{result.seconds:>9.1f}{result.videos / result.seconds:>11,.0f}", end="")
        print("".join(f"{share:>17.1%}" for share in result.use.values()) + f"  {result.limit}")
    write_json(arguments.json, {"costs": measured, "results": [asdict(result) for result in results]})


if __name__ == "__main__":
    main()
