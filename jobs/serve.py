"""Serve trained classifiers and lip readers over HTTP: upload a video, get its labels, timeline or subtitles.

python jobs/serve.py --checkpoint actions/ reader/
python jobs/serve.py --checkpoint classifier/ actions/ stream/ --host 0.0.0.0 --token-file token.txt
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.runs.command_line import parse_or_exit
from cluster.runs.lifecycle import bad_input
from cluster.runs.logs import configure_logging
from cluster.serving.config import ServeOptions
from cluster.serving.libraries import check_libraries
from schemas.errors import InputError


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(ServeOptions, __doc__)
    configure_logging(options.reporting.log_format, quiet=options.reporting.quiet)
    try:
        check_libraries()
    except InputError as error:
        return bad_input(error)
    from cluster.serving.job import run_serving  # after parsing, as it brings torch

    return run_serving(options)


if __name__ == "__main__":
    sys.exit(main())
