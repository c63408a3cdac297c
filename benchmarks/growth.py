"""Whether time is linear in the number of videos: 1, 2, 4 and 8 times as many through the whole job.

    python benchmarks/growth.py [--videos 500] [--json FILE]

Prints the time per additional video from one size to the next, relative to that over the whole range: 1 is linear.
Costs that do not depend on the size (start-up, the last tasks) cancel out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import pairwise
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
            videos = Path(folder, str(times))
            short_clips(videos, times * arguments.videos)
            seconds[times] = run_job(videos).wall_seconds
            print(f"{times * arguments.videos:>7} videos: {seconds[times]:8.1f} s", flush=True)
    slope = (seconds[TIMES[-1]] - seconds[TIMES[0]]) / (TIMES[-1] - TIMES[0])
    relative = {few: (seconds[many] - seconds[few]) / (many - few) / slope for few, many in pairwise(TIMES)}
    for few, many in pairwise(TIMES):
        print(f"{few * arguments.videos} to {many * arguments.videos} videos: {relative[few]:.2f} of linear")
    result = {"videos": arguments.videos, "wall_seconds": seconds, "relative": list(relative.values())}
    write_json(arguments.json, result)


if __name__ == "__main__":
    main()
