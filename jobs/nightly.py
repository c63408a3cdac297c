"""Extract and label the videos that are new or have changed; write the day's record and report.html.

python jobs/nightly.py --videos videos/ --features features/ --checkpoint classifier/ --labels labels/
python jobs/nightly.py --videos videos/ --checkpoint actions/ --labels labels/ --timeline
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.nightly.config import NightlyOptions
from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(NightlyOptions, __doc__)
    configure_logging(options.reporting.log_format, quiet=options.reporting.quiet)
    from cluster.nightly.job import run_nightly  # after parsing, as it brings torch

    return run_nightly(options)


if __name__ == "__main__":
    sys.exit(main())
