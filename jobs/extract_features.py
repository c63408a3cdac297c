"""Videos in, YouTube-8M-style feature shards out.

python jobs/extract_features.py --input videos/ --output features/
ray job submit --working-dir . -- python jobs/extract_features.py --input gs://bucket/videos --output gs://bucket/out
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.extraction.config import ExtractionConfig
from cluster.extraction.job import run_extraction
from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging


def main() -> int:
    """Run the job; returns the exit code."""
    description = "Decode videos on a time grid, embed pictures and sound, and write one row a video to Parquet shards."
    config = parse_or_exit(ExtractionConfig, description)
    configure_logging(config.log_format, quiet=config.quiet)
    return run_extraction(config)


if __name__ == "__main__":
    sys.exit(main())
