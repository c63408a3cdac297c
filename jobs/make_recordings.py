"""Write recordings of workouts, generated, with their annotations: a Supervisely project.

python jobs/make_recordings.py --output recordings/
python jobs/make_recordings.py --output recordings/ --athletes 20 --repetitions 8 --seed 1
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.runs.command_line import parse_or_exit
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage import files
from jobs.samples.recordings import make_recordings


@dataclass(frozen=True)
class RecordingOptions(Options):
    """One set of recordings."""

    output: str = option(
        help="local folder to write to", must_be="a local folder", accepts=files.is_local, is_written=True
    )
    athletes: int = option(10, help="number of people, each of whom does every workout", minimum=1)
    repetitions: int = option(4, help="repetitions of a movement in a workout, a few more or less", minimum=1)
    seed: int = option(0, help="random seed; the same seed gives the same recordings", minimum=0)


def main(arguments: list[str] | None = None) -> None:
    """Run the job."""
    options = parse_or_exit(RecordingOptions, __doc__, arguments)
    folder = files.local_path(options.output) if files.has_scheme(options.output) else options.output
    recordings = make_recordings(Path(folder), options.athletes, options.repetitions, options.seed)
    lengths = [one.last - one.first + 1 for recording in recordings for one in recording.repetitions]
    print(
        f"{len(recordings)} recordings of {options.athletes} athletes, {len(lengths)} repetitions of {min(lengths)} to "
        f"{max(lengths)} frames: {folder}"
    )


if __name__ == "__main__":
    main()
