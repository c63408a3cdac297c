"""Turn annotations and videos into a manifest of clips, and if asked cut files and TFRecords, with a page about both.

python jobs/cut_clips.py --annotations export/ --videos videos/ --output clips.csv
python jobs/cut_clips.py --annotations list.csv --videos videos/ --output clips.csv --cut exact --clips cut/
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.cutting.config import CuttingOptions
from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(CuttingOptions, __doc__)
    configure_logging(options.reporting.log_format, quiet=options.reporting.quiet)
    from cluster.cutting.job import run_cutting  # after parsing, as it brings torch

    return run_cutting(options)


if __name__ == "__main__":
    sys.exit(main())
