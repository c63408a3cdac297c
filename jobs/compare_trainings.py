"""Compare trainings of the same classes: metrics, groups, confusions and what the differences say, on one page.

python jobs/compare_trainings.py --trainings by-clip/ by-athlete/ --output comparison.html
python jobs/compare_trainings.py --trainings c3d/ i3d/ s3d/ --output gs://bucket/families.html
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import shown
from cluster.training.comparison import ComparisonOptions, run_comparison


def main() -> int:
    """Run the job; returns the exit code."""
    return run_comparison(parse_or_exit(ComparisonOptions, __doc__), lambda line: print(shown(line)))


if __name__ == "__main__":
    sys.exit(main())
