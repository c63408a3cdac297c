"""The service under load: latency and throughput with 1 to 32 clients, compared with the batch job on the same videos.

    python benchmarks/serving.py [--clients 1 2 4 8 16 32] [--videos 32] [--seconds 4] [--large-mib 2048] [--json FILE]

Each client uploads a video, asks every 0.1 s for its results, and goes on with the next one; those who are told to come
later do. The same videos go through `jobs/score_videos.py --timeline` on Ray in the same run, before and after: its
videos a minute, less its start, are what the service is compared with. Latency is from the first byte of an upload to
the results, waiting included. Then one upload of `--large-mib`: a video with padding behind it. Memory is that of all
processes of the service, and of the one that takes uploads.
"""

from __future__ import annotations

import argparse
import http.client
import json
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import MARKER, ProcessGroup, write_json
from schemas.scorings import ScoringRecord
from tests.support.checkpoints import write_trained
from tests.support.clips import STREAM, trained_stream
from tests.support.dataset import ROOT, job_environment
from tests.support.serving import FORM_TYPE, Client, form, serving
from tests.support.videos import Clip, write_video

POLL_SECONDS = 0.1
FREE = b"free"


@dataclass(frozen=True)
class Load:
    """What so many clients saw: seconds of half and of 95 % of the videos, videos a minute, those without result."""

    clients: int
    videos: int
    p50_seconds: float
    p95_seconds: float
    videos_a_minute: float
    told_to_wait: int
    lost: int
    peak_mib: float


def load_of(client: Client, clients: int, contents: list[bytes], token: str) -> Load:
    """Send all videos with so many clients at a time."""
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
            while (state := client.get(f"/v1/videos/{answer.json['id']}").json)["status"] not in ("done", "failed"):
                time.sleep(POLL_SECONDS)
            seconds.append(time.monotonic() - started)
            if state["status"] != "done" or not state["results"][0]["timeline"]:
                lost.append(answer.json["id"])
            client.ask("DELETE", f"/v1/videos/{answer.json['id']}")

    started = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    with ProcessGroup(token, 2.0) as memory:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall = time.monotonic() - started
    ordered = sorted(seconds)
    return Load(
        clients,
        len(contents),
        statistics.median(ordered),
        ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)],
        60 * len(ordered) / wall,
        len(waits),
        len(lost) + len(contents) - len(seconds),
        memory.peak_pss_bytes / (1 << 20),
    )


def batch_rate(videos: Path, checkpoint: Path, labels: Path) -> float:
    """Videos a minute of the batch job, from its record."""
    command = [sys.executable, ROOT / "jobs" / "score_videos.py", "--videos", videos, "--checkpoint", checkpoint]
    options = ["--labels", labels, "--timeline", "--quiet"]
    subprocess.run(list(map(str, [*command, *options])), check=True, env=job_environment())
    (path,) = (labels / "runs").glob("*.json")
    record = ScoringRecord.from_json(path.read_text())
    times = [datetime.fromisoformat(text) for text in (record.started_at, record.finished_at)]
    return 60 * record.counts.scored / (times[1] - times[0]).total_seconds()


def private_mib(process: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def upload_large(client: Client, video: bytes, size: int) -> tuple[int, float]:
    """Send a video with padding behind it, from no more than a block of memory; status and seconds."""
    padding = size - len(video) - 16
    body_head, body_tail = form(b"\0" * 8).split(b"\0" * 8)
    length = len(body_head) + len(video) + 16 + padding + len(body_tail)

    def parts() -> Iterator[bytes]:
        yield body_head + video + (1).to_bytes(4, "big") + FREE + (padding + 16).to_bytes(8, "big")
        block = bytes(1 << 20)
        for start in range(0, padding, len(block)):
            yield block[: padding - start]
        yield body_tail

    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=900)
    started = time.monotonic()
    connection.request("POST", "/v1/videos", parts(), {"Content-Type": FORM_TYPE, "Content-Length": str(length)})
    response = connection.getresponse()
    state = client.settled(json.loads(response.read())["id"])
    assert state["status"] == "done", state
    return response.status, time.monotonic() - started


def main() -> None:
    """Measure all numbers of clients between two runs of the job."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--videos", type=int, default=32)
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
        rates = [batch_rate(folder / "videos", folder / "stream", folder / "labels-0")]
        limits = ["--queue", 64, "--client-queue", 64, "--client-rate", 1_000_000, "--max-upload-mib", 4096]
        limits += ["--storage-mib", 16384]
        with serving(
            folder / "service", "--checkpoint", folder / "stream", *limits, environment={MARKER: token}
        ) as server:
            client = Client(server.url)
            load_of(client, 2, [first] * 4, token)  # decoders start with their first work
            print(f"{STREAM}, {arguments.seconds} s of video; the job: {rates[0]:.1f} videos a minute")
            print(f"{'clients':>8}{'p50':>9}{'p95':>9}{'videos/min':>12}{'waits':>7}{'lost':>6}{'memory':>12}")
            loads = []
            for clients in arguments.clients:
                found = load_of(client, clients, [first] * arguments.videos, token)
                loads.append(found)
                print(
                    f"{clients:8}{found.p50_seconds:7.2f} s{found.p95_seconds:7.2f} s{found.videos_a_minute:12.1f}"
                    f"{found.told_to_wait:7}{found.lost:6}{found.peak_mib:8.0f} MiB",
                    flush=True,
                )
            before = private_mib(server.process.pid)
            status, seconds = upload_large(client, first, arguments.large_mib << 20)
            after = private_mib(server.process.pid)
            print(
                f"{arguments.large_mib} MiB: {status}, {seconds:.1f} s; "
                f"the server had {before:.0f} MiB before and {after:.0f} MiB after"
            )
        rates.append(batch_rate(folder / "videos", folder / "stream", folder / "labels-1"))
        best = max(found.videos_a_minute for found in loads)
        share = best / statistics.mean(rates)
        print(f"the job again: {rates[1]:.1f} videos a minute; the service at its best: {share:.2f} of it")
    write_json(
        arguments.json,
        {"loads": [asdict(found) for found in loads], "job_videos_a_minute": rates, "large_mib": [before, after]},
    )


if __name__ == "__main__":
    main()
