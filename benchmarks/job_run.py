"""One run of the extraction job by its command line: its time, its peak memory and the counts of its record."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.measure import cores, run_command
from schemas.runs import RunRecord

ROOT = Path(__file__).resolve().parent.parent
WEIGHT_OPTIONS = ("weights", "pca", "audio-weights", "audio-pca")
RANDOM_WEIGHTS = tuple(f"--{option}=random:0" for option in WEIGHT_OPTIONS)


@dataclass(frozen=True)
class JobRun:
    """One run of the job.

    wall_seconds     from the start of the command to its end
    startup_seconds  from the start of the command to the first finished video
    stage_seconds    CPU seconds of opening, decoding and embedding, from the record
    cpu_seconds      of all its processes
    peak_pss_bytes   peak memory of all its processes, including Ray's and the object store
    """

    wall_seconds: float
    startup_seconds: float
    stage_seconds: float
    cpu_seconds: float
    peak_pss_bytes: int
    videos: int
    frames: int

    @property
    def working_seconds(self) -> float:
        """Time from the first finished video on."""
        return self.wall_seconds - self.startup_seconds

    @property
    def overhead_seconds(self) -> float:
        """Core seconds per video that no stage accounts for, including start and end of the run."""
        return (self.wall_seconds * cores() - self.stage_seconds) / max(self.videos, 1)

    @property
    def steady_overhead_seconds(self) -> float:
        """`overhead_seconds` from the first finished video on."""
        return (self.working_seconds * cores() - self.stage_seconds) / max(self.videos, 1)


def own_cluster_environment() -> dict[str, str]:
    """The environment without the cluster that it may name."""
    return {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_JOB_ID")}


def run_job(source: Path, *options: str, memory_interval_seconds: float = 10.0) -> JobRun:
    """Extract the features of `source`, a folder or manifest, on a Ray cluster of its own.

    Weights are random where `options` name none (`--weights`, `--pca` and so on).

    Frequent samples of the memory slow the job down: use a long interval to measure time and a short one for memory.
    """
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "jobs/extract_features.py", "--input", str(source), "--output", output, "--quiet"]
        launched = time.time()
        command += [weights for weights in RANDOM_WEIGHTS if weights.partition("=")[0] not in options]
        run = run_command([*command, *options], ROOT, own_cluster_environment(), memory_interval_seconds)
        (path,) = Path(output, "runs").glob("*.json")
        record = RunRecord.from_json(path.read_text())
    if record.counts.failed or not record.throughput:
        raise RuntimeError(
            f"{record.counts.failed} of {record.counts.videos_total} videos failed: {record.failures[:3]}"
        )
    began = datetime.fromisoformat(record.started_at).timestamp()
    return JobRun(
        wall_seconds=run.wall_seconds,
        startup_seconds=began - launched + record.throughput[0].seconds,
        stage_seconds=sum(record.seconds_by_stage.values()),
        cpu_seconds=run.cpu_seconds,
        peak_pss_bytes=run.peak_pss_bytes,
        videos=record.counts.processed,
        frames=record.counts.frames,
    )
