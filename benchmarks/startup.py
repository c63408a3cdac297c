"""Seconds from the command of an extraction to its first finished video, by stage, and the CPU seconds that they take.

    python benchmarks/startup.py [--engine ray local] [--before CHECKOUT] [--repeats 5] [--json FILE]

Weights are files in their published formats with random numbers in them; a run that is not measured converts them. With
`--before`, another checkout takes turns with this one. The processes are watched from outside, so that any release can
be measured. A stage lasts until something is seen for the first time:

    imports  Ray's first process, or the worker's where there is no Ray
    Ray      a worker's process
    actors   torch in a worker
    weights  a worker at its first video (Ray alone tells)
    video    the first finished video, from the record of the run

On a busy machine only CPU seconds can be compared.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import MARKER, ProcessGroup, cores, cpu_seconds, write_json
from benchmarks.sample_clips import short_clips
from extractors.networks.inception import inception_2015
from extractors.networks.vggish import vggish
from schemas.runs import RunRecord

ROOT = Path(__file__).resolve().parent.parent
POLL_SECONDS = 0.02
STAGES = ("imports", "Ray", "actors", "weights", "video")
# What a command line shows of a process, and what it is counted as.
KINDS = {
    "extract_features.py": "driver",
    "task_process": "worker",
    "ray::WorkerActor": "worker",
    "ray::": "other processes of Ray",
    "/ray/": "other processes of Ray",
}


@dataclass(frozen=True)
class Start:
    """One run. `seconds` from the command to the end of each stage, CPU seconds by process until the first video."""

    seconds: dict[str, float]
    cpu_seconds: dict[str, float]


class Watch:
    """Looks at the processes of a run, until it is over."""

    def __init__(self, group: ProcessGroup, started: float) -> None:
        self._group, self._started = group, started
        self.seen: dict[str, float] = {}
        self.cpu: list[tuple[float, dict[str, float]]] = []
        self._of_process: dict[str, tuple[str, float]] = {}

    def look(self) -> None:
        """Note what is new, and the CPU seconds by now."""
        now = time.time() - self._started
        for process in self._group.members():
            command = _text(process / "cmdline")
            kind = next((kind for part, kind in KINDS.items() if part in command), "others")
            self._of_process[process.name] = (kind, cpu_seconds(process))
            for stage in _stages(command, kind, process):
                self.seen.setdefault(stage, now)
        total: Counter[str] = Counter()
        for kind, seconds in self._of_process.values():
            total[kind] += seconds  # type: ignore[assignment]  # a Counter adds floats as well
        self.cpu.append((now, dict(total)))


def _stages(command: str, kind: str, process: Path) -> Iterator[str]:
    """The stages that are over, as this process shows."""
    if kind != "driver" and kind != "others":
        yield "imports"
    if kind == "worker":
        yield "Ray"
        if "libtorch_cpu" in _text(process / "maps"):
            yield "actors"
        if "WorkerActor.work" in command:
            yield "weights"


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:  # processes come and go
        return ""


def write_weights(folder: Path) -> list[str]:
    """Weights in the published formats, with random numbers; the options that name them."""
    torch.manual_seed(0)
    torch.save(inception_2015().state_dict(), folder / "inception.pth")
    torch.save(vggish().state_dict(), folder / "vggish.pth")
    return [
        *(f"--weights={folder / 'inception.pth'}", f"--audio-weights={folder / 'vggish.pth'}"),
        *("--pca=random:0", "--audio-pca=random:0"),
    ]


def run(checkout: Path, engine: str, videos: Path, options: list[str], cache: Path) -> Start:
    """Run the job of a checkout."""
    token = secrets.token_hex(8)
    environment = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "PYTHONPATH")}
    with tempfile.TemporaryDirectory() as output, ProcessGroup(token, 3600.0) as group:
        command = [sys.executable, "jobs/extract_features.py", "--input", str(videos), "--output", output, "--quiet"]
        started = time.time()
        job = subprocess.Popen(
            [*command, "--engine", engine, *options],
            cwd=checkout,
            env={**environment, MARKER: token, "FRAMEMILL_CACHE": str(cache)},
        )
        watch = Watch(group, started)
        while job.poll() is None:
            watch.look()
            time.sleep(POLL_SECONDS)
        (path,) = Path(output, "runs").glob("*.json")
        record = RunRecord.from_json(path.read_text())
    if job.returncode or record.counts.failed or not record.throughput:
        raise SystemExit(f"the run of {checkout} failed: {record.failures[:3]}")
    first = datetime.fromisoformat(record.started_at).timestamp() - started + record.throughput[0].seconds
    cpu = next((cpu for when, cpu in watch.cpu if when >= first), watch.cpu[-1][1])
    return Start({**watch.seen, "video": first}, {**cpu, "all": sum(cpu.values())})


def median(runs: list[dict[str, float]]) -> dict[str, float]:
    """Of each figure that all runs have."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0] if all(name in run for run in runs)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", nargs="+", default=["ray", "local"])
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    checkouts = {"now": ROOT} | ({"before": arguments.before.absolute()} if arguments.before else {})
    runs: dict[str, list[Start]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        short_clips(folder / "videos", cores())
        options = write_weights(folder)
        for checkout in checkouts.values():
            run(checkout, "local", folder / "videos", options, folder / "cache")  # converts the weights
        for _ in range(arguments.repeats):
            for engine in arguments.engine:
                for name, checkout in checkouts.items():
                    start = run(checkout, engine, folder / "videos", options, folder / "cache")
                    runs.setdefault(f"{engine}, {name}", []).append(start)
    for name, starts in runs.items():
        seconds, cpu = median([start.seconds for start in starts]), median([start.cpu_seconds for start in starts])
        print(f"{name}: " + ", ".join(f"{stage} {seconds[stage]:.1f} s" for stage in STAGES if stage in seconds))
        print(f"{' ' * len(name)}  CPU seconds: " + ", ".join(f"{kind} {value:.2f}" for kind, value in cpu.items()))
    write_json(arguments.json, {name: [asdict(start) for start in starts] for name, starts in runs.items()})


if __name__ == "__main__":
    main()
