"""Feature shards (or YouTube-8M's .tfrecord), or videos, in; a trained classifier out.

python jobs/train_classifier.py --features features/ --output classifier/
python jobs/train_classifier.py --features train*.tfrecord --split folders --validation-features 'validate*.tfrecord' \
  --classes first:50 --output gs://bucket/classifier
python jobs/train_classifier.py --videos manifest.csv --split column --model c3d --init-weights c3d.pickle \
  --recipe transfer --output actions/
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging
from cluster.training.config import ClassifierTrainingConfig
from cluster.training.job import run_training


def main() -> int:
    """Run the job; returns the exit code."""
    description = (
        "Train a classifier on the features of videos, or on their clips; write a checkpoint, and a report of what it "
        "is worth."
    )
    config = parse_or_exit(ClassifierTrainingConfig, description)
    configure_logging(config.log_format, quiet=config.quiet)
    return run_training(config)


if __name__ == "__main__":
    sys.exit(main())
