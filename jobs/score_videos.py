"""Features of videos, or videos themselves, and a trained classifier in, labels out.

python jobs/score_videos.py --features features/ --checkpoint classifier/ --labels labels/
python jobs/score_videos.py --features gs://bucket/features --checkpoint gs://bucket/a gs://bucket/b \
  --labels gs://bucket/labels --date 2026-03-01 --only-new --submission gs://bucket/submission.csv
python jobs/score_videos.py --videos gs://bucket/videos --checkpoint clip_classifier/ --labels labels/ --views 3 \
  --embeddings clip_features/
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging
from cluster.scoring.config import ScoringConfig
from cluster.scoring.run import run_scoring


def main() -> int:
    """Run the job; returns the exit code."""
    description = (
        "Label videos, by their features or by clips of them: one row a video with its best classes, in Parquet shards "
        "for each day."
    )
    config = parse_or_exit(ScoringConfig, description)
    configure_logging(config.log_format, quiet=config.quiet)
    return run_scoring(config)


if __name__ == "__main__":
    sys.exit(main())
