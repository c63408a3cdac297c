"""A cost estimate of a run, from a sample of its videos.

Durations and sizes come from headers; decoding and embedding are timed on this machine, on the first seconds of a few
videos, on one core. GPU-hours rest on a published figure, which the estimate names.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from cluster.extraction.plan import Plan
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


def estimate(plan: Plan, pending: Sequence[Video], machine: Machine) -> str:
    """The estimate as text: videos, hours of video, core- and GPU-hours, shards, bytes."""
    sampling = plan.options.sampling
    settled = len(plan.videos) - len(pending)
    head = f"{len(plan.videos)} videos, {settled} settled before, {len(pending)} to do"
    sample = pending[:: max(1, len(pending) // PROBED)][:PROBED]
    seconds, sizes, unreadable = _probe_sample(plan, sample)
    if not seconds:
        return head if not pending else f"{head}; none of {len(sample)} that were looked at can be read"
    readable = len(pending) * len(seconds) / len(sample)
    frames = fmean(seconds) * float(as_fps(sampling.fps)) * readable
    cost = _measure(plan, sample)
    row_bytes = 4 * (plan.worker.stage.frames.dim + AUDIO_DIM) + 200
    code_bytes = (plan.worker.stage.frames.dim + AUDIO_DIM) * frames if sampling.frame_features else 0.0
    shards = -(-len(pending) // plan.options.rows_per_shard)
    lines = [
        head,
        f"from {len(sample)} of them: {fmean(seconds):.1f} s and {fmean(sizes) / 1e6:.1f} MB on average, "
        f"{unreadable} cannot be read",
        f"to read      {fmean(seconds) * readable / 3600:,.1f} hours of video, {fmean(sizes) * readable / 1e9:,.1f} GB",
        f"to embed     {frames:,.0f} frames at {sampling.fps} a second",
        *(_time_lines(machine, frames, cost) if cost else ["no hours: none of those that were tried shows a frame"]),
        f"to write     {shards:,} shards, about {(row_bytes * readable + code_bytes) / 1e9:,.2f} GB",
    ]
    return "\n".join(lines)


def _time_lines(machine: Machine, frames: float, cost: Cost) -> list[str]:
    decode_hours, embed_hours = frames * cost.decode_seconds / 3600, frames * cost.embed_seconds / 3600
    return [
        f"core-hours   {decode_hours:,.2f} decoding, {embed_hours:,.2f} embedding (measured on one core here: "
        f"{1 / cost.decode_seconds:.0f} and {1 / cost.embed_seconds:.1f} frames/s)",
        f"GPU-hours    {frames / GPU_FRAMES_PER_SECOND / 3600:,.2f} in place of embedding on cores, at the "
        f"{GPU_FRAMES_PER_SECOND:,} frames/s published for an RTX 3090; to feed one of them takes "
        f"{GPU_FRAMES_PER_SECOND * cost.decode_seconds:.0f} decoding cores",
        f"this cluster {machine.cpus} CPU cores, {machine.gpus} GPUs, {machine.nodes} machines: about "
        f"{_hours_here(machine, frames, decode_hours, embed_hours):,.2f} hours",
    ]


def _probe_sample(plan: Plan, sample: Sequence[Video]) -> tuple[list[float], list[int], int]:
    seconds: list[float] = []
    sizes: list[int] = []
    for video in sample:
        try:
            with open_video(video.uri) as source:
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
            with open_video(video.uri) as source:
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


def _hours_here(machine: Machine, frames: float, decode_hours: float, embed_hours: float) -> float:
    cores = max(machine.cpus, 1)
    if not machine.gpus:
        return (decode_hours + embed_hours) / cores
    return max(decode_hours / cores, frames / GPU_FRAMES_PER_SECOND / 3600 / machine.gpus)
