"""Run a command as a Ray job on the cluster of RAY_API_SERVER_ADDRESS, print its output, end with its exit code.

python jobs/submit.py -- python jobs/nightly.py --config gs://bucket/nightly.toml
python jobs/submit.py --working-dir . -- python jobs/extract_features.py --input s3://in --output s3://out
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.deploy.submission import SubmissionOptions, run_submission
from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging


def main() -> int:
    """Run the job; returns the exit code."""
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    options = parse_or_exit(SubmissionOptions, __doc__, given[:end])
    configure_logging("text", quiet=False)
    return run_submission(options, given[end + 1 :])


if __name__ == "__main__":
    sys.exit(main())
