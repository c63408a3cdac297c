"""Join the small shards and failure files of a feature dataset, which stays complete at any moment.

python jobs/compact_features.py --output features/ --dry-run
python jobs/compact_features.py --output gs://bucket/features --rows-per-shard 4096
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.compaction.config import CompactionOptions
from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(CompactionOptions, __doc__)
    configure_logging(options.reporting.log_format, quiet=options.reporting.quiet)
    from cluster.compaction.job import run_compaction  # after parsing, which is quicker alone

    return run_compaction(options)


if __name__ == "__main__":
    sys.exit(main())
