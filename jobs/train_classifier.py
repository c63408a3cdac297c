"""Train a classifier on features of videos (shards or YouTube-8M's .tfrecord) or on clips, or a lip reader.

python jobs/train_classifier.py --features features/ --output classifier/
python jobs/train_classifier.py --videos manifest.csv --model c3d --recipe transfer --output actions/
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging
from cluster.training.config import TrainingOptions


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(TrainingOptions, __doc__)
    configure_logging(options.reporting.log_format, quiet=options.reporting.quiet)
    from cluster.training.early_start import run_training  # after parsing, which is quicker alone

    return run_training(options)


if __name__ == "__main__":
    sys.exit(main())
