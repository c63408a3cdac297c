"""Watch a file, a camera or a stream from the network with a classifier of clips, and show its best classes as it goes.

python jobs/watch.py --checkpoint actions/ --source recording.mp4
python jobs/watch.py --checkpoint actions/ --source rtsp://camera/stream --record seen.parquet
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.live.config import WatchOptions
from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(WatchOptions, __doc__)
    configure_logging(options.reporting.log_format, quiet=options.reporting.quiet)
    from cluster.live.job import run_watch  # after parsing, as it brings torch

    return run_watch(options)


if __name__ == "__main__":
    sys.exit(main())
