"""Whether memory is independent of the amount of work: peak PSS of all processes of the whole job.

    python benchmarks/memory.py [--videos 100 5000] [--minutes 10 180] [--json FILE]

Two pairs of runs: few and many two-second videos, a short and a long video. PSS counts shared memory once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.job_run import run_job
from benchmarks.measure import write_json
from benchmarks.sample_clips import long_clip, short_clips


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, nargs=2, default=(100, 5000))
    parser.add_argument("--minutes", type=int, nargs=2, default=(10, 180))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    peaks: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in arguments.videos:
            videos = Path(folder, f"short-{count}")
            short_clips(videos, count)
            peaks[f"{count} videos"] = run_job(videos, memory_interval_seconds=0.5).peak_pss_bytes
        for minutes in arguments.minutes:
            videos = Path(folder, f"long-{minutes}")
            long_clip(videos / "video.mp4", 60 * minutes)
            peaks[f"{minutes} minutes"] = run_job(videos, memory_interval_seconds=0.5).peak_pss_bytes
    for name, peak in peaks.items():
        print(f"{name:>14}: {peak / 2**20:8.0f} MiB")
    few, many, short, long = peaks.values()
    print(f"many / few videos: {many / few:.3f}; long / short video: {long / short:.3f}")
    write_json(arguments.json, {"peak_pss_bytes": peaks, "many_to_few": many / few, "long_to_short": long / short})


if __name__ == "__main__":
    main()
