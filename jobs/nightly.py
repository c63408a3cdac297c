"""What a scheduler starts each night: new and changed videos are extracted, labelled and told of on one page.

python jobs/nightly.py --videos videos/ --features features/ --checkpoint classifier/ --labels labels/
ray job submit --working-dir . -- python jobs/nightly.py --videos gs://bucket/videos --features gs://bucket/features \
  --checkpoint gs://bucket/classifier --labels gs://bucket/labels
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.nightly.config import NightlyConfig
from cluster.nightly.job import run_nightly
from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging


def main() -> int:
    """Run the job; returns the exit code."""
    description = (
        "Extract the features of videos that are new or have changed, label what has no labels of this model yet, and "
        "write the day's record and report.html. Run it again to go on, or to add to the day: nothing is done twice."
    )
    config = parse_or_exit(NightlyConfig, description)
    configure_logging(config.log_format, quiet=config.quiet)
    return run_nightly(config)


if __name__ == "__main__":
    sys.exit(main())
