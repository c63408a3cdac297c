"""Join a trained I3D on RGB and one on optical flow into one checkpoint, which averages them.

python jobs/join_streams.py --rgb rgb/ --flow flow/ --output two-stream/
python jobs/join_streams.py --rgb gs://bucket/rgb --flow gs://bucket/flow --output gs://bucket/two-stream
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.export.config import JoinOptions
from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import shown


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(JoinOptions, __doc__)
    from cluster.export.stream_join import run_join  # after parsing, as it brings torch

    return run_join(options, lambda line: print(shown(line)))


if __name__ == "__main__":
    sys.exit(main())
