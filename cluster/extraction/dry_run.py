"""A cost estimate of a run, from a sample of its videos. Weights that are not here yet are not needed.

Durations and sizes come from headers; decoding and embedding are timed on this machine, on the first seconds of a few
videos, on one core. GPU time rests on a published figure, which the estimate names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from cluster.datasets.increment import Increment
from cluster.extraction.plan import STAND_IN, Plan
from cluster.reports.numbers import duration_text, size_text
from cluster.runs.open_failures import OpenFailures
from cluster.storage.video_source import open_video
from extractors.segments import Segment
from extractors.video.grid import as_fps
from extractors.video.probe import probe
from schemas.features import AUDIO_DIM
from schemas.outcomes import VideoError
from schemas.records import Machine
from schemas.videos import Video

PROBED = 64
MEASURED = 4
MEASURED_SECONDS = 20
# Inception v3, automatic mixed precision, batches: timm's published table for an RTX 3090.
GPU_FRAMES_PER_SECOND = 2_561


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
    first = f"{len(plan.videos)} videos, {failures.among(len(plan.videos) - len(pending))}, {len(pending)} to do"
    settled = [*failures.lines()]
    if relabelled:
        settled.append(f"{relabelled} settled videos get the labels and splits of the manifest")
    if not pending:
        return "\n".join([first, *settled])
    sample = pending[:: max(1, len(pending) // PROBED)][:PROBED]
    seconds, sizes, unreadable = _probe_sample(plan, sample)
    if not seconds:
        return "\n".join([f"{first}; none of {len(sample)} that were looked at can be read", *settled])
    readable = len(pending) * len(seconds) / len(sample)
    frames = fmean(seconds) * float(as_fps(sampling.fps)) * readable
    cost = _measure(plan, sample)
    row_bytes = 4 * (plan.worker.stage.frames.dim + AUDIO_DIM) + 200
    code_bytes = (plan.worker.stage.frames.dim + AUDIO_DIM) * frames if sampling.frame_features else 0.0
    shards = -(-len(pending) // plan.options.rows_per_shard)
    lines = [
        first,
        *settled,
        f"from {len(sample)} of them: {_time(fmean(seconds))} and {_size(fmean(sizes))} on average, "
        f"{unreadable} cannot be read",
        f"to read      {_time(fmean(seconds) * readable)} of video, {_size(fmean(sizes) * readable)}",
        f"to embed     {frames:,.0f} frames at {sampling.fps} a second",
        *(_time_lines(machine(), frames, cost) if cost else ["no times: none of those that were tried shows a frame"]),
        f"to write     {shards:,} shards, about {_size(row_bytes * readable + code_bytes)}",
    ]
    if plan.absent:
        names = ", ".join(f"{kind} {spec}" for kind, spec in plan.absent.items())
        lines.append(f"to fetch     weights: {names} (measured with {STAND_IN} in their place)")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else duration_text(seconds)


def _size(size_bytes: float) -> str:
    return size_text(round(size_bytes))


def _time_lines(machine: Machine, frames: float, cost: Cost) -> list[str]:
    decoding, embedding = frames * cost.decode_seconds, frames * cost.embed_seconds
    on_gpu = frames / GPU_FRAMES_PER_SECOND
    return [
        f"core time    {_time(decoding)} decoding, {_time(embedding)} embedding (measured on one core here: "
        f"{1 / cost.decode_seconds:.0f} and {1 / cost.embed_seconds:.1f} frames/s)",
        f"GPU time     {_time(on_gpu)} in place of embedding on cores, at the {GPU_FRAMES_PER_SECOND:,} frames/s "
        f"published for an RTX 3090; to feed one of them takes {GPU_FRAMES_PER_SECOND * cost.decode_seconds:.0f} "
        "decoding cores",
        f"this cluster {machine.cpus} CPU cores, {machine.gpus} GPUs, {machine.nodes} machines: about "
        f"{_time(_seconds_here(machine, on_gpu, decoding, embedding))}",
    ]


def _probe_sample(plan: Plan, sample: Sequence[Video]) -> tuple[list[float], list[int], int]:
    seconds: list[float] = []
    sizes: list[int] = []
    for video in sample:
        try:
            with open_video(video.uri, policy=plan.options.policy) as source:
                info = probe(source, max_pixels=plan.options.max_pixels)
        except VideoError:
            continue
        end = min(float(info.duration_seconds), video.end_seconds or float("inf"))
        length = max(end - video.start_seconds, 0.0)
        seconds.append(min(length, plan.options.sampling.max_seconds or float("inf")))
        sizes.append(info.size_bytes)
    return seconds, sizes, len(sample) - len(seconds)


def _measure(plan: Plan, sample: Sequence[Video]) -> Cost | None:
    """The cost of a frame; None where none of the videos that were tried has one."""
    extractor = plan.worker.stage
    extractor.setup()
    frames, decode, embed = 0, 0.0, 0.0
    for video in sample[:: max(1, len(sample) // MEASURED)][:MEASURED]:
        segment = Segment(start_seconds=video.start_seconds, end_seconds=video.start_seconds + MEASURED_SECONDS)
        try:
            with open_video(video.uri, policy=plan.options.policy) as source:
                started = time.thread_time()
                features, _ = extractor(source, video, segment)
                total = time.thread_time() - started
        except VideoError:
            continue
        frames += features.num_frames
        embed_seconds = sum(value for stage, value in features.seconds_by_stage.items() if stage.startswith("embed"))
        embed += embed_seconds
        decode += total - embed_seconds
    return Cost(decode / frames or 1e-6, embed / frames or 1e-6) if frames else None


def _seconds_here(machine: Machine, on_gpu: float, decoding: float, embedding: float) -> float:
    cores = max(machine.cpus, 1)
    if not machine.gpus:
        return (decoding + embedding) / cores
    return max(decoding / cores, on_gpu / machine.gpus)
