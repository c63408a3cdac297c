"""The service under load: latency and throughput with 1 to 32 clients, compared with the batch job on the same videos.

    python benchmarks/serving.py [--clients 1 2 4 8 16 32] [--videos 64] [--seconds 4] [--large-mib 2048] [--json FILE]

Each client uploads a video, asks for its results as often as the page does, and goes on with the next one; those who
are told to come later do. The same videos go through `jobs/score_videos.py --timeline` on Ray in the same run, before
and after, with workers as ready as those of the service (`RAY_worker_niceness=0`): what counts is its rate from the
first label file to the last, without its start. Latency is from the first byte of an upload to the results, waiting
included.

Where the cores are shared, a rate says how much of them was left to it. CPU seconds a video do not: they are those of
all processes, Ray's own included, with what the service spends on clients; of the service, beyond what it takes in the
same time when nobody asks for anything. Clients run on the same cores.

Memory is the largest sum of all processes at a time; that of every single one is compared after the first number of
clients and the last. Then one upload of `--large-mib`: a video with padding behind it, and the server's peak over it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import MARKER, ProcessGroup, cores, pss_bytes, write_json
from tests.support.checkpoints import write_trained
from tests.support.clips import STREAM, trained_stream
from tests.support.dataset import ROOT, job_environment
from tests.support.serving import FORM_TYPE, Client, Server, form, serving
from tests.support.videos import Clip, write_video

FIRST_PAUSE_SECONDS, PAUSE_GROWTH, LONGEST_PAUSE_SECONDS = 0.3, 1.3, 2.0  # of `static/work.js`
IDLE_SECONDS = 20.0
SAMPLE_SECONDS = 1.0
WARM_UP_SECONDS = 300.0
CAMERAS = 1  # that decode, too: one for each stream network
ROWS_PER_SHARD = 4
FREE = b"free"
LIMITS = {"queue": 64, "client-queue": 64, "client-rate": 1_000_000, "max-upload-mib": 4096, "storage-mib": 16384}


@dataclass(frozen=True)
class Load:
    """What so many clients saw: seconds of half and of 95 % of the videos, videos a minute, those without result."""

    clients: int
    videos: int
    p50_seconds: float
    p95_seconds: float
    videos_a_minute: float
    cpu_seconds_a_video: float
    told_to_wait: int
    lost: int
    peak_mib: float


@dataclass(frozen=True)
class Job:
    """The batch job, from its first label file on."""

    videos_a_minute: float
    cpu_seconds_a_video: float


def load_of(client: Client, clients: int, contents: list[bytes], token: str, idle_cores: float = 0.0) -> Load:
    """Send all videos with so many clients at a time, to a service that takes `idle_cores` without any."""
    left = iter(contents)
    lock = threading.Lock()
    seconds: list[float] = []
    waits: list[float] = []
    lost: list[str] = []

    def work() -> None:
        while True:
            with lock:
                content = next(left, None)
            if content is None:
                return
            started = time.monotonic()
            while (answer := client.upload(content)).status == 429:
                waits.append(1.0)
                time.sleep(min(float(answer.headers["retry-after"]), 5.0))
            pause = FIRST_PAUSE_SECONDS
            while (state := client.get(f"/v1/videos/{answer.json['id']}").json)["status"] not in ("done", "failed"):
                time.sleep(pause)
                pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)
            seconds.append(time.monotonic() - started)
            if state["status"] != "done" or not state["results"][0]["timeline"]:
                lost.append(answer.json["id"])
            client.ask("DELETE", f"/v1/videos/{answer.json['id']}")

    threads = [threading.Thread(target=work) for _ in range(clients)]
    with ProcessGroup(token, SAMPLE_SECONDS) as processes:
        started, cpu_before = time.monotonic(), processes.cpu_seconds()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall, cpu = time.monotonic() - started, processes.cpu_seconds() - cpu_before
    return Load(
        clients,
        len(contents),
        statistics.median(seconds),
        float(np.quantile(seconds, 0.95)),
        60 * len(seconds) / wall,
        (cpu - idle_cores * wall) / len(seconds),
        len(waits),
        len(lost) + len(contents) - len(seconds),
        processes.peak_pss_bytes / (1 << 20),
    )


def warm_up(client: Client, video: bytes, token: str) -> None:
    """Work until there is a decoder for each core: more of them start with their first work."""
    deadline = time.monotonic() + WARM_UP_SECONDS
    while sum("task_process" in name for name in memory_by_process(token)) < cores() + CAMERAS:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all decoders have started within {WARM_UP_SECONDS:.0f} s")
        load_of(client, 2 * cores(), [video] * 8, token)


def idle_cores_of(token: str) -> float:
    """The CPU seconds of all processes in a second in which nobody asks for anything."""
    processes = ProcessGroup(token, SAMPLE_SECONDS)
    started, before = time.monotonic(), processes.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    return (processes.cpu_seconds() - before) / (time.monotonic() - started)


def run_job(videos: Path, checkpoint: Path, labels: Path) -> Job:
    """Run the batch job; its rate is that between the times of its label files."""
    token = secrets.token_hex(8)
    command = [sys.executable, ROOT / "jobs" / "score_videos.py", "--videos", videos, "--checkpoint", checkpoint]
    options = ["--labels", labels, "--timeline", "--rows-per-shard", ROWS_PER_SHARD, "--quiet"]
    environment = {**job_environment(), MARKER: token, "RAY_worker_niceness": "0"}
    with ProcessGroup(token, SAMPLE_SECONDS) as processes:
        subprocess.run(list(map(str, [*command, *options])), check=True, env=environment)
    shards = sorted((path.stat().st_mtime, pq.read_metadata(path).num_rows) for path in labels.glob("date=*/*.parquet"))
    rows = sum(count for _, count in shards[1:])
    start, stop = shards[0][0], shards[-1][0]
    times, cpu = np.array(processes.samples).T
    used = float(np.interp(stop, times, cpu) - np.interp(start, times, cpu))
    return Job(60 * rows / (stop - start), used / rows)


def memory_by_process(token: str) -> dict[str, float]:
    """MiB of each process of the service, by its number and name."""
    found = {}
    for process in ProcessGroup(token, SAMPLE_SECONDS).members():
        name = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        name = name.rpartition(f"{sys.executable} ")[2]
        found[f"{process.name} {name[:60].strip()}"] = pss_bytes(process) / (1 << 20)
    return found


def upload_large(server: Server, video: bytes, size: int) -> tuple[float, float, float]:
    """Send a video with padding behind it, from no more than a block of memory.

    Returns the seconds, and the MiB that the server had before and at most.
    """
    padding = size - len(video) - 16
    body_head, body_tail = form(b"\0" * 8).split(b"\0" * 8)
    length = len(body_head) + len(video) + 16 + padding + len(body_tail)

    def parts() -> Iterator[bytes]:
        yield body_head + video + (1).to_bytes(4, "big") + FREE + (padding + 16).to_bytes(8, "big")
        block = bytes(1 << 20)
        for start in range(0, padding, len(block)):
            yield block[: padding - start]
        yield body_tail

    process = Path(f"/proc/{server.process.pid}")
    (process / "clear_refs").write_text("5")  # the peak begins anew
    before = resident_mib(process, "VmRSS")
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=900)
    started = time.monotonic()
    connection.request("POST", "/v1/videos", parts(), {"Content-Type": FORM_TYPE, "Content-Length": str(length)})
    response = connection.getresponse()
    state = Client(server.url).settled(json.loads(response.read())["id"])
    if state["status"] != "done":
        raise RuntimeError(f"the large video has failed: {state['error']}")
    return time.monotonic() - started, before, resident_mib(process, "VmHWM")


def resident_mib(process: Path, field: str) -> float:
    """Resident memory of a process, as it is or as it was at most."""
    lines = (process / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def main() -> None:
    """Measure all numbers of clients between two runs of the job."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--videos", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--large-mib", type=int, default=2048)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    token = secrets.token_hex(8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_trained(folder / "stream", trained_stream(options={"dropout": 0.0}))
        clip = Clip(frames=25 * arguments.seconds, width=320, height=240)
        (folder / "videos").mkdir()
        first = write_video(folder / "videos" / "0000.mp4", clip).read_bytes()
        for number in range(1, arguments.videos):
            (folder / "videos" / f"{number:04d}.mp4").write_bytes(first)
        jobs = [run_job(folder / "videos", folder / "stream", folder / "labels-0")]
        limits = [text for name, value in LIMITS.items() for text in (f"--{name}", value)]
        with serving(
            folder / "service", "--checkpoint", folder / "stream", *limits, environment={MARKER: token}
        ) as server:
            client = Client(server.url)
            warm_up(client, first, token)
            idle_cores = idle_cores_of(token)
            print(f"{STREAM}, {arguments.seconds} s of video; the job: {described(jobs[0])}")
            print(f"the service, idle: {idle_cores:.2f} CPU seconds a second")
            print(
                f"{'clients':>8}{'p50':>9}{'p95':>9}{'videos/min':>12}{'CPU':>8}{'waits':>7}{'lost':>6}{'memory':>12}"
            )
            loads, memory = [], []
            for clients in arguments.clients:
                found = load_of(client, clients, [first] * arguments.videos, token, idle_cores)
                loads.append(found)
                memory.append(memory_by_process(token))
                print(
                    f"{clients:8}{found.p50_seconds:7.2f} s{found.p95_seconds:7.2f} s{found.videos_a_minute:12.1f}"
                    f"{found.cpu_seconds_a_video:6.2f} s{found.told_to_wait:7}{found.lost:6}{found.peak_mib:8.0f} MiB",
                    flush=True,
                )
            grown = {name: memory[-1][name] - memory[0][name] for name in memory[0].keys() & memory[-1].keys()}
            for name in sorted(grown, key=lambda name: -grown[name])[:4]:
                print(f"{grown[name]:+6.1f} MiB  {name}")
            seconds, before, peak = upload_large(server, first, arguments.large_mib << 20)
            print(f"{arguments.large_mib} MiB: {seconds:.1f} s; the server had {before:.0f} MiB, at most {peak:.0f}")
        jobs.append(run_job(folder / "videos", folder / "stream", folder / "labels-1"))
        best = max(loads, key=lambda found: found.videos_a_minute)
        rate = best.videos_a_minute / statistics.mean(job.videos_a_minute for job in jobs)
        cpu = best.cpu_seconds_a_video / statistics.mean(job.cpu_seconds_a_video for job in jobs)
        print(f"the job again: {described(jobs[1])}")
        print(f"the service at its best: {rate:.2f} times its videos a minute, {cpu:.2f} times its CPU seconds a video")
        print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    write_json(
        arguments.json,
        {
            "loads": [asdict(found) for found in loads],
            "idle_cores": idle_cores,
            "jobs": [asdict(job) for job in jobs],
            "memory_mib": memory,
            "large": {"mib": arguments.large_mib, "seconds": seconds, "before_mib": before, "peak_mib": peak},
        },
    )


def described(job: Job) -> str:
    """In words."""
    return f"{job.videos_a_minute:.1f} videos a minute, {job.cpu_seconds_a_video:.2f} CPU s each"


if __name__ == "__main__":
    main()
