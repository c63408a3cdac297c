"""A manifest of a video data set: a folder for each class, UCF101, HMDB51, Kinetics, GRID, or new splits of a manifest.

python jobs/make_manifest.py --dataset folders --input videos/ --output manifest.csv
python jobs/make_manifest.py --dataset ucf101 --input UCF-101/ --annotations ucfTrainTestlist/ --output ucf101.csv
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.datasets.manifest_job import ManifestConfig, make_manifest
from cluster.runs.command_line import parse_or_exit
from cluster.runs.lifecycle import ExitCode
from schemas.errors import InputError


def main() -> int:
    """Run the job; returns the exit code."""
    config = parse_or_exit(ManifestConfig, "Write a manifest of a video data set, with labels and splits.")
    try:
        made = make_manifest(config)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    parts = ", ".join(f"{split} {count}" for split, count in sorted(made.splits.items()))
    print(f"{config.output}: {sum(made.splits.values())} videos of {len(made.classes)} classes ({parts})")
    if made.missing:
        print(f"{made.missing} videos that the lists have are missing, and were left out")
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
