"""The extraction job beside the same job in Daft, Ray Data and a DataLoader: 1 fps, Inception, mean, Parquet.

    python benchmarks/peers.py CLIP … [--times 1 4] [--rounds 3] [--weights random:0] [--peers NAME …] [--json FILE]

Each peer runs in an environment of its own (`benchmarks/peer_environments.py`), in processes of its own, on the same
two cores, with the same weights and precision, on the same clips without their sound. A peer that cannot be had is left
out, with the reason; PyAV then takes the place of torchcodec. Contenders take turns, and medians count.

A run processes each clip `--times` times. From few and from many follow what a frame costs, the slope, and what
start-up costs, the rest. Sampled frames are compared, by timestamp, with those on screen at whole seconds after the
first frame according to a full decode. `--each` measures each clip by itself as well: who wins on which kind of video.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import av
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from benchmarks.job_run import ROOT, own_cluster_environment, run_job
from benchmarks.measure import CommandRun, cores, run_command, write_json
from benchmarks.peer_environments import DEFAULT_CACHE, PACKAGES, Environment, UnavailableError, environment
from benchmarks.peer_network import PRECISIONS, VARIANT, on_screen
from benchmarks.sample_clips import natural_clips, pictures_of
from extractors.networks.precision import resolve_precision
from extractors.video.decode import sample_frames
from extractors.weights.pretrained import build_inception
from extractors.weights.resolve import resolve_weights

CORES = 2
OURS = "ours"
SCRIPTS = {
    "daft": "peer_daft",
    "ray-data": "peer_ray_data",
    "torchcodec": "peer_data_loader",
    "pyav": "peer_data_loader",
}
REPLACEMENTS = {"torchcodec": "pyav"}
INTERVAL_SECONDS = 1.0  # between samples of the memory
TICK_SECONDS = 1e-4  # timestamps that differ by less are the same frame's


@dataclass(frozen=True)
class Cost:
    """What a contender takes: medians of its runs.

    frames_per_cpu_second, frames_per_second  from the difference of the two sizes: without start-up
    startup_cpu_seconds                       CPU seconds at no frames
    whole_frames_per_cpu_second               of the larger run, start-up included
    whole_frames_per_second                   likewise, by the clock
    """

    frames_per_cpu_second: float
    frames_per_second: float
    startup_cpu_seconds: float
    whole_frames_per_cpu_second: float
    whole_frames_per_second: float
    peak_pss_bytes: int


@dataclass(frozen=True)
class Sampled:
    """Frames of the grid that a contender took, those that it took beside them, and the size of the grid."""

    right: int
    others: int
    grid: int


@dataclass(frozen=True)
class Work:
    """Clips, the weights and the precision; all contenders get the same."""

    clips: Sequence[Path]
    spec: str
    weights: Path
    precision: str


def hard_links(clips: Iterable[Path], times: int, folder: Path) -> Path:
    """A folder with each of the clips so many times."""
    folder.mkdir()
    for number, clip in enumerate(clips):
        for time in range(times):
            os.link(clip, folder / f"{number}-{time:04d}{clip.suffix}")
    return folder


def run_ours(work: Work, videos: Path) -> CommandRun:
    """The job, on Ray as by default."""
    job = run_job(
        videos,
        *("--weights", work.spec, "--pca", "none", "--precision", work.precision, "--workers", str(cores())),
        memory_interval_seconds=INTERVAL_SECONDS,
    )
    return CommandRun(job.wall_seconds, job.cpu_seconds, job.peak_pss_bytes)


def run_peer(peer: str, made: Environment, work: Work, videos: Path, output: Path) -> CommandRun:
    """A peer's script, in its environment."""
    listed = output.with_suffix(".txt")
    listed.write_text("".join(f"{path}\n" for path in sorted(videos.iterdir())))
    environ = {**own_cluster_environment(), **made.variables, "PYTHONPATH": str(ROOT)}
    command = [str(made.python), "-m", f"benchmarks.{SCRIPTS[peer]}"]
    return run_command(
        [*command, str(listed), str(work.weights), work.precision, str(output)], ROOT, environ, INTERVAL_SECONDS
    )


def grid_times(clip: Path) -> list[float]:
    """Timestamps of the frames on screen at whole seconds after the first frame, by a full decode."""
    return [seconds for seconds, _ in on_screen(str(clip))]


def our_times(clip: Path) -> list[float]:
    """Timestamps of the frames that the job samples."""
    with av.open(str(clip)) as container:
        tick = container.streams.video[0].time_base
    assert tick is not None
    return [float(sample.pts * tick) for sample in sample_frames(str(clip))]


def compared(found: Iterable[float], grid: Iterable[float]) -> Sampled:
    """Which of the frames that were found are the grid's."""
    taken, wanted = (Counter(round(seconds / TICK_SECONDS) for seconds in times) for times in (found, grid))
    right = (taken & wanted).total()
    return Sampled(right, taken.total() - right, wanted.total())


def peer_times(output: Path) -> dict[str, list[float]]:
    """The timestamps that a peer wrote, by the name of the file."""
    rows = pq.read_table(output, columns=["path", "seconds"]).to_pylist()
    return {Path(row["path"].removeprefix("file://")).name: row["seconds"] for row in rows}


def sampled(times: dict[str, list[float]], grids: dict[str, list[float]]) -> Sampled:
    """The sum over the files of `grids`; raises `RuntimeError` where a video is missing."""
    if missing := grids.keys() - times.keys():
        raise RuntimeError(f"no row for {', '.join(sorted(missing))}")
    parts = [compared(times[name], grid) for name, grid in grids.items()]
    return Sampled(*(sum(getattr(part, field) for part in parts) for field in ("right", "others", "grid")))


def cost(runs: dict[int, list[CommandRun]], frames: int) -> Cost:
    """Medians of the runs by how often each took the `frames` of all clips."""
    (few, many), medians = sorted(runs), {}
    for times, each in runs.items():
        medians[times] = [
            statistics.median(getattr(run, f"{kind}_seconds") for run in each) for kind in ("cpu", "wall")
        ]
    cpu, wall = ((medians[many][kind] - medians[few][kind]) / (many - few) / frames for kind in (0, 1))
    return Cost(
        frames_per_cpu_second=1 / cpu,
        frames_per_second=1 / wall,
        startup_cpu_seconds=medians[few][0] - few * frames * cpu,
        whole_frames_per_cpu_second=many * frames / medians[many][0],
        whole_frames_per_second=many * frames / medians[many][1],
        peak_pss_bytes=max(run.peak_pss_bytes for run in runs[many]),
    )


def made_environments(peers: Sequence[str], cache: Path) -> Iterator[tuple[str, Environment]]:
    """The environments that can be made; prints versions, and why others cannot."""
    waiting = list(peers)
    while waiting:
        peer = waiting.pop(0)
        try:
            made = environment(peer, cache)
        except UnavailableError as error:
            print(f"{peer} is left out: {error}")
            waiting += [name for name in [REPLACEMENTS.get(peer)] if name and name not in (*peers, *waiting)]
            continue
        print(f"{peer}: {', '.join(f'{name} {version}' for name, version in made.versions.items())}", flush=True)
        yield peer, made


def measure(
    work: Work, environments: dict[str, Environment], times: Sequence[int], rounds: int, folder: Path
) -> dict[str, Any]:
    """All contenders on the clips of `work`: their costs, and what they sampled."""
    folder.mkdir()
    links = {each: hard_links(work.clips, each, folder / f"{each}-times") for each in sorted(times)}
    few = links[min(times)]
    grids = {path.name: grid_times(path) for path in few.iterdir()}
    frames = sum(map(len, grids.values())) // min(times)
    found = {OURS: sampled({path.name: our_times(path) for path in few.iterdir()}, grids)}
    runs: dict[str, dict[int, list[CommandRun]]] = defaultdict(lambda: defaultdict(list))
    for turn in range(rounds):
        for name in (OURS, *environments):
            for each, videos in links.items():
                output = folder / f"{name}-{each}-{turn}"
                if name == OURS:
                    run = run_ours(work, videos)
                else:
                    run = run_peer(name, environments[name], work, videos, output)
                    found.setdefault(name, sampled(peer_times(output), grids))
                runs[name][each].append(run)
                print(f"{name}, {each} times: {run.cpu_seconds:.1f} CPU s, {run.wall_seconds:.1f} s", flush=True)
    return {
        "clips": [clip.name for clip in work.clips],
        "frames": frames,
        "contenders": {
            name: {**asdict(cost(each, frames)), "sampled": asdict(found[name])} for name, each in runs.items()
        },
    }


def print_table(result: dict[str, Any]) -> None:
    """A line for each contender, and ours relative to the best of the others."""
    contenders = result["contenders"]
    print(f"\n{', '.join(result['clips'])}: {result['frames']} frames")
    heads = ("frames a CPU s", "frames/s", "start, CPU s", "with start", "peak MiB")
    print(f"{'':<12}" + "".join(f"{head:>15}" for head in heads) + "  on the grid")
    for name, each in contenders.items():
        taken = each["sampled"]
        print(
            f"{name:<12}{each['frames_per_cpu_second']:>15.2f}{each['frames_per_second']:>15.2f}"
            f"{each['startup_cpu_seconds']:>15.1f}{each['whole_frames_per_cpu_second']:>15.2f}"
            f"{each['peak_pss_bytes'] / 2**20:>15,.0f}  {taken['right']} of {taken['grid']}, {taken['others']} others"
        )
    others = {name: each["frames_per_cpu_second"] for name, each in contenders.items() if name != OURS}
    if others:
        best = max(others, key=lambda name: others[name])
        ratio = contenders[OURS]["frames_per_cpu_second"] / others[best]
        print(f"ours relative to the best of them, {best}: {ratio:.2f}", flush=True)


def main() -> None:
    """Install, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*")
    parser.add_argument("--peers", nargs="*", choices=PACKAGES, default=["daft", "ray-data", "torchcodec"])
    parser.add_argument("--times", nargs=2, type=int, default=(1, 4), help="how often a run takes each clip")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--each", action="store_true", help="measure each clip by itself as well")
    parser.add_argument("--weights", default="random:0", help="of Inception, as the job takes them")
    parser.add_argument("--precision", choices=("auto", *PRECISIONS), default="auto")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="where the environments are kept")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if len({*arguments.times}) < 2 or min(arguments.times) < 1:
        parser.error("--times takes two different numbers, from 1")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    environments = dict(made_environments(arguments.peers, arguments.cache.expanduser().absolute()))
    resolved = resolve_weights(arguments.weights, "frames")
    assert resolved is not None
    network, variant = build_inception(resolved)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = [Path(clip).absolute() for clip in arguments.clips] or natural_clips(folder / "clips")
        silent = [pictures_of(clip, folder / f"silent-{number}") for number, clip in enumerate(clips)]
        weights = folder / "inception.safetensors"
        save_file(network.state_dict(), weights, {VARIANT: variant})
        precision = resolve_precision(arguments.precision, torch.device("cpu"))
        groups = [silent, *([clip] for clip in silent if arguments.each)]
        results = []
        for number, group in enumerate(groups):
            work = Work(group, arguments.weights, weights, precision)
            results.append(measure(work, environments, arguments.times, arguments.rounds, folder / f"group-{number}"))
            print_table(results[-1])
            versions = {name: dict(made.versions) for name, made in environments.items()}
            write_json(arguments.json, {"precision": precision, "versions": versions, "mixes": results})


if __name__ == "__main__":
    main()
