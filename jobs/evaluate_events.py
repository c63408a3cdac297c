"""Measure the events of timelines against annotated intervals: average precision as ActivityNet or THUMOS14 has it.

python jobs/evaluate_events.py --labels labels/ --truth activity_net.v1-3.min.json --subset validation
python jobs/evaluate_events.py --labels labels/ --truth corrected.csv --output labels/evaluation.json
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import shown
from cluster.timelines.evaluation_job import EvaluationOptions, run_evaluation


def main() -> int:
    """Run the job; returns the exit code."""
    return run_evaluation(parse_or_exit(EvaluationOptions, __doc__), lambda line: print(shown(line)))


if __name__ == "__main__":
    sys.exit(main())
