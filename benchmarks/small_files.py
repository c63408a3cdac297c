"""Overhead per video beyond decoding and embedding: many two-second videos through the whole job.

    python benchmarks/small_files.py [--videos 5000] [--json FILE]

The overhead is the core seconds of the run minus the CPU seconds of its stages, per video: once including start and end
of the run, once from the first finished video on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.job_run import run_job
from benchmarks.measure import write_json
from benchmarks.sample_clips import short_clips


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=5000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        short_clips(Path(folder, "videos"), arguments.videos)
        job = run_job(Path(folder, "videos"))
    print(f"{job.videos} videos in {job.wall_seconds:.1f} s, {1e3 * job.stage_seconds / job.videos:.1f} ms of CPU each")
    print(f"overhead per video: {1e3 * job.overhead_seconds:.1f} ms; ", end="")
    print(f"after a start-up of {job.startup_seconds:.1f} s: {1e3 * job.steady_overhead_seconds:.1f} ms")
    result = {
        "job": asdict(job),
        "overhead_seconds": job.overhead_seconds,
        "steady_overhead_seconds": job.steady_overhead_seconds,
    }
    write_json(arguments.json, result)


if __name__ == "__main__":
    main()
