"""Convert YouTube-8M's .tfrecord files to feature shards, or back.

python jobs/convert_tfrecords.py --input yt8m/ --output features/ --to parquet
python jobs/convert_tfrecords.py --input features/ --output records/ --to tfrecord
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.features.tfrecord_conversion import ConversionOptions, convert
from cluster.runs.command_line import complain, parse_or_exit
from cluster.runs.lifecycle import ExitCode
from cluster.runs.logs import shown
from schemas.errors import InputError
from schemas.text import counted


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(ConversionOptions, __doc__)
    try:
        done = convert(options, lambda line: print(shown(line)))
    except (InputError, OSError) as error:
        complain(error)
        return ExitCode.BAD_INPUT
    print(
        f"{counted(done.files, 'file')} with {counted(done.videos, 'video')} written, {done.skipped} were there already"
    )
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
