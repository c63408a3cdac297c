"""Read lips: one row per video with its text and the times of its words, and subtitles.

python jobs/transcribe_lips.py --input videos/ --checkpoint reader/ --output transcripts/ --vtt subtitles/
python jobs/transcribe_lips.py --input grid.csv --checkpoint reader/ --output transcripts/ --lexicon grid
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging
from cluster.transcription.config import TranscriptionOptions


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(TranscriptionOptions, __doc__)
    configure_logging(options.reporting.log_format, quiet=options.reporting.quiet)
    from cluster.transcription.job import run_transcription  # after parsing, as it brings torch

    return run_transcription(options)


if __name__ == "__main__":
    sys.exit(main())
