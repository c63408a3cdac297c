"""The extraction job with its networks in a pool of their own, on the device, fed by decoders on the CPU cores."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.gpu_bench import Bench, Row

TIMES = 60  # each of the clips, 60 s in all


def engine_rows(bench: Bench) -> Iterator[Row]:
    """One run of the job: frames/s in all and after start-up."""
    from benchmarks.job_run import run_job
    from benchmarks.sample_clips import natural_clips, short_clips

    with tempfile.TemporaryDirectory() as scratch:
        videos = Path(scratch, "videos")
        if bench.is_toy:
            short_clips(videos, 2)
        else:
            videos.mkdir()
            for clip in natural_clips(Path(scratch, "clips")):
                for time in range(TIMES):
                    os.link(clip, videos / f"{time:03d}-{clip.name}")
        job = run_job(videos, "--pools", "apart", "--embed-workers", "1")
    yield {
        **asdict(job),
        "frames_per_second": job.frames / job.wall_seconds,
        "frames_per_second_after_start": job.frames / job.working_seconds,
    }
