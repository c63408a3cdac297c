"""Label videos, by their features or by clips of them: one row per video with its best classes, in shards for each day.

python jobs/score_videos.py --features features/ --checkpoint classifier/ --labels labels/
python jobs/score_videos.py --videos gs://bucket/videos --checkpoint actions/ --labels labels/
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging
from cluster.scoring.config import ScoringOptions


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(ScoringOptions, __doc__)
    configure_logging(options.reporting.log_format, quiet=options.reporting.quiet)
    from cluster.scoring.early_start import run_scoring  # after parsing, which is quicker alone

    return run_scoring(options)


if __name__ == "__main__":
    sys.exit(main())
