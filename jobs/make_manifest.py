"""Write a manifest of a video data set, with labels and splits: a folder for each class, UCF101, HMDB51, Kinetics, …

python jobs/make_manifest.py --dataset folders --input videos/ --output manifest.csv
python jobs/make_manifest.py --dataset ucf101 --input UCF-101/ --annotations lists/ --output ucf101.csv
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.datasets.manifest_job import ManifestOptions, make_manifest
from cluster.runs.command_line import complain, parse_or_exit
from cluster.runs.lifecycle import ExitCode
from cluster.runs.logs import shown
from schemas.errors import InputError, examples
from schemas.text import counted


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(ManifestOptions, __doc__)
    try:
        made = make_manifest(options)
    except (InputError, OSError) as error:
        complain(error)
        return ExitCode.BAD_INPUT
    parts = ", ".join(f"{split or 'none'} {count}" for split, count in sorted(made.splits.items()))
    videos, classes = counted(sum(made.splits.values()), "video"), counted(len(made.classes), "class")
    print(shown(f"{options.output}: {videos} of {classes} ({parts})"))
    if made.sentences:
        speakers = f" of {counted(made.speakers, 'speaker')}" if made.speakers else ""
        print(f"{counted(made.sentences, 'sentence')}{speakers}")
    elif made.unlabelled:
        print(f"{made.unlabelled} of them have no label")
    if made.divided:
        print(shown(f"{len(made.divided)} groups are in several splits, as the lists say: {examples(made.divided)}"))
    if made.missing:
        print(f"{made.missing} videos that the lists have are missing, and were left out")
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
