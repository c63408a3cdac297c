"""Export a clip classifier as ONNX, in fp32 or 8 bits, or as LiteRT, and check the file beside the checkpoint.

python jobs/export_model.py --checkpoint actions/ --output actions.onnx
python jobs/export_model.py --checkpoint actions/ --output small.onnx --precision int8 --calibration videos/
python jobs/export_model.py --checkpoint actions/ --output actions.tflite --format litert --install-converter
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.export.config import ExportOptions
from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import configure_logging


def main() -> int:
    """Run the job; returns the exit code."""
    options = parse_or_exit(ExportOptions, __doc__)
    configure_logging(options.reporting.log_format, quiet=options.reporting.quiet)
    from cluster.export.job import run_export  # after parsing, as it brings torch

    return run_export(options)


if __name__ == "__main__":
    sys.exit(main())
