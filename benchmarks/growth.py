"""Whether time grows with the work and no faster: 1, 2, 4 and 8 times as many videos through the real job.

    python benchmarks/growth.py [--videos 500] [--json FILE]

Seconds a video, from the first finished one on, as a multiple of those of the smallest run: 1 is linear.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.job_run import run_job
from benchmarks.measure import write_json
from benchmarks.sample_clips import short_clips

TIMES = (1, 2, 4, 8)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=500, help="in the smallest run")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seconds: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for times in TIMES:
            place = Path(folder, str(times))
            short_clips(place, times * arguments.videos)
            seconds[times] = run_job(place).working_seconds
    relative = {times: seconds[times] / times / seconds[TIMES[0]] for times in TIMES}
    for times in TIMES:
        print(f"{times * arguments.videos:>7} videos: {seconds[times]:8.1f} s, {relative[times]:.2f} of linear")
    write_json(arguments.json, {"videos": arguments.videos, "working_seconds": seconds, "relative": relative})


if __name__ == "__main__":
    main()
