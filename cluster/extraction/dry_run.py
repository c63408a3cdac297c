"""A cost estimate of a run, from a sample of its videos. Weights that are not here yet are not needed.

Durations and sizes come from headers; decoding and embedding are timed on this machine, on the first seconds of a few
videos, on one core. GPU time rests on a published figure, which the estimate names, or on a given one. Files are opened
in a child process with the limits of the run, and no header may take longer than `PROBE_SECONDS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from cluster.datasets.increment import Increment
from cluster.engines.task_process import TaskProcess
from cluster.engines.tasks import Done, Task
from cluster.engines.video_worker import VideoWorker
from cluster.extraction.config import GPU_FRAMES_PER_SECOND, EstimateOptions
from cluster.extraction.length_probe import Length, LengthProbe
from cluster.extraction.plan import STAND_IN, Plan
from cluster.reports.numbers import duration_text, size_text
from cluster.runs.open_failures import OpenFailures
from cluster.storage.files import is_local
from cluster.storage.range_reader import requests_of
from cluster.storage.tar_members import part_of
from extractors.segments import Segment
from extractors.video.grid import as_fps
from schemas.features import AUDIO_DIM
from schemas.records import Machine
from schemas.text import counted
from schemas.videos import Video

PROBED = 64
MEASURED = 4
MEASURED_SECONDS = 20
PROBE_SECONDS = 60.0


@dataclass(frozen=True)
class Cost:
    """CPU seconds for each frame, on one core of this machine."""

    decode_seconds: float
    embed_seconds: float


def estimate(plan: Plan, increment: Increment, relabelled: int, machine: Callable[[], Machine]) -> str:
    """The estimate as text: videos, their length, time on cores and GPUs, shards, bytes.

    relabelled  settled videos that the run would give other labels or another split
    machine     tells what the engine has; it is asked only where there is work
    """
    sampling, pending = plan.options.sampling, increment.pending
    failures = OpenFailures(increment.failed)
    first = (
        f"{counted(len(plan.videos), 'video')}, {failures.among(len(plan.videos) - len(pending))}, {len(pending)} to do"
    )
    settled = [*failures.lines()]
    if increment.earlier:
        settled.append(
            f"{counted(increment.earlier, 'settled video')} with features of an earlier release (--redo-earlier)"
        )
    if relabelled:
        settled.append(f"labels and splits of the manifest for {counted(relabelled, 'settled video')}")
    if not pending:
        return "\n".join([first, *settled])
    sample = pending[:: max(1, len(pending) // PROBED)][:PROBED]
    lengths = _lengths(plan, sample)
    if not lengths:
        return "\n".join([f"{first}; none of {len(sample)} that were looked at can be read", *settled])
    readable = len(pending) * len(lengths) / len(sample)
    limit = sampling.max_seconds or math.inf
    seconds = fmean(min(length.seconds, limit) for length in lengths.values())
    size_bytes = fmean(length.size_bytes for length in lengths.values())
    frames = seconds * float(as_fps(sampling.fps)) * readable
    cost = _measure(plan, list(lengths))
    row_bytes = 4 * (plan.worker.stage.frames.dim + AUDIO_DIM) + 200
    code_bytes = (plan.worker.stage.frames.dim + AUDIO_DIM) * frames if sampling.frame_features else 0.0
    shards = -(-len(pending) // plan.options.rows_per_shard)
    lines = [
        first,
        *settled,
        f"from {len(sample)} of them: {_time(seconds)} and {_size(size_bytes)} on average, "
        f"{len(sample) - len(lengths)} cannot be read",
        f"to read      {_time(seconds * readable)} of video, {_size(size_bytes * readable)}"
        + _requests(pending, sample, lengths),
        f"to embed     {frames:,.0f} frames at {sampling.fps} a second",
        *(
            _time_lines(machine(), frames, cost, plan.options.estimate)
            if cost
            else ["no times: none of those that were tried shows a frame"]
        ),
        f"to write     {counted(shards, 'shard')}, about {_size(row_bytes * readable + code_bytes)}",
    ]
    if plan.inputs.absent:
        names = ", ".join(f"{kind} {spec}" for kind, spec in plan.inputs.absent.items())
        lines.append(f"to fetch     weights: {names} (measured with {STAND_IN} in their place)")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else duration_text(seconds)


def _size(size_bytes: float) -> str:
    return size_text(round(size_bytes))


def _requests(pending: Sequence[Video], sample: Sequence[Video], lengths: Mapping[Video, Length]) -> str:
    """How many requests the reading takes, for videos that are not on this machine's disks."""
    remote = [video for video in sample if not is_local(video.uri)]
    if not remote:
        return ""
    unread = Length(0.0, 0)
    each = fmean(
        requests_of(lengths.get(video, unread).size_bytes, in_tar=part_of(video.uri) is not None) for video in remote
    )
    return f", about {each * len(pending) * len(remote) / len(sample):,.0f} requests"


def _time_lines(machine: Machine, frames: float, cost: Cost, options: EstimateOptions) -> list[str]:
    decoding, embedding = frames * cost.decode_seconds, frames * cost.embed_seconds
    gpu_frames = options.gpu_frames_per_second or GPU_FRAMES_PER_SECOND
    source = "given" if options.gpu_frames_per_second else "published for an RTX 3090"
    on_gpu = frames / gpu_frames
    return [
        f"core time    {_time(decoding)} decoding, {_time(embedding)} embedding (measured on one core here: "
        f"{1 / cost.decode_seconds:.0f} and {1 / cost.embed_seconds:.1f} frames/s)",
        f"GPU time     {_time(on_gpu)} in place of embedding on cores, at the {gpu_frames:,.0f} frames/s "
        f"{source}; to feed one of them takes {gpu_frames * cost.decode_seconds:.0f} decoding cores",
        f"this cluster {counted(machine.cpus, 'CPU core')}, {counted(machine.gpus, 'GPU')}, "
        f"{counted(machine.nodes, 'machine')}: about {_time(_seconds_here(machine, on_gpu, decoding, embedding))}",
        *_price_lines(decoding / 3600, embedding / 3600, on_gpu / 3600, options),
    ]


def _price_lines(decoding: float, embedding: float, on_gpu: float, options: EstimateOptions) -> list[str]:
    """What hours of decoding and embedding on cores, or of embedding on GPUs, cost; where prices are given."""
    core, gpu = options.price_core_hour, options.price_gpu_hour
    if core is None:
        return []
    on_cores, feeding = (decoding + embedding) * core, decoding * core
    line = f"cost         {_money(on_cores)} on cores alone"
    if gpu is None or not on_gpu:
        return [line]
    with_gpus = feeding + on_gpu * gpu
    cheaper = "GPUs" if with_gpus < on_cores else "cores alone"
    return [
        f"{line}, {_money(with_gpus)} with GPUs that are kept busy ({_money(feeding)} of it for the cores that feed "
        f"them): {cheaper} cost less; a GPU pays at up to {_money(embedding * core / on_gpu)} an hour"
    ]


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.4f}"


def _lengths(plan: Plan, sample: Sequence[Video]) -> dict[Video, Length]:
    """Lengths and sizes of the videos that can be read."""
    engine = plan.options.engine
    limit_seconds = min(engine.time_limit, PROBE_SECONDS)
    worker = VideoWorker(
        LengthProbe(plan.options.max_pixels), engine.memory_limit_mib << 20, limit_seconds, plan.options.policy
    )
    with TaskProcess.of(worker) as process:
        outcomes = {video: process.carry_out(Task(video)) for video in sample}
    return {video: outcome.features for video, outcome in outcomes.items() if isinstance(outcome, Done)}


def _measure(plan: Plan, readable: Sequence[Video]) -> Cost | None:
    """The cost of a frame; None where none of the videos that were tried has one."""
    frames, decode, embed = 0, 0.0, 0.0
    with TaskProcess.of(plan.worker) as process:
        for video in readable[:: max(1, len(readable) // MEASURED)][:MEASURED]:
            segment = Segment(start_seconds=video.start_seconds, end_seconds=video.start_seconds + MEASURED_SECONDS)
            outcome = process.carry_out(Task(video, segment))
            if isinstance(outcome, Done):
                frames += outcome.features.num_frames
                for stage, seconds in outcome.features.seconds_by_stage.items():
                    if stage.startswith("embed"):
                        embed += seconds
                    else:
                        decode += seconds
    return Cost(decode / frames or 1e-6, embed / frames or 1e-6) if frames else None


def _seconds_here(machine: Machine, on_gpu: float, decoding: float, embedding: float) -> float:
    cores = max(machine.cpus, 1)
    if not machine.gpus:
        return (decoding + embedding) / cores
    return max(decoding / cores, on_gpu / machine.gpus)
