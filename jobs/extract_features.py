"""Decode videos on a time grid, embed pictures and sound, and write one row per video to Parquet shards.

python jobs/extract_features.py --input videos/ --output features/
ray job submit --working-dir . -- python jobs/extract_features.py --input gs://in/videos --output gs://out
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.extraction.config import ExtractionOptions
from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(ExtractionOptions, __doc__)
    configure_logging(options.reporting.log_format, quiet=options.reporting.quiet)
    from cluster.extraction.early_start import run_extraction  # after parsing, which is quicker alone

    return run_extraction(options)


if __name__ == "__main__":
    sys.exit(main())
