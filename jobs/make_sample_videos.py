"""Write short sample videos with sound, a folder for each kind of content, and a manifest.

python jobs/make_sample_videos.py --output samples/
python jobs/make_sample_videos.py --output samples/ --count 12 --seed 1 --nights 2
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.runs.command_line import parse_or_exit
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage import files
from jobs.samples.videos import make_samples
from schemas.text import counted


@dataclass(frozen=True)
class SampleOptions(Options):
    """One set of sample videos."""

    output: str = option(
        help="local folder to write to", must_be="a local folder", accepts=files.is_local, is_written=True
    )
    count: int = option(36, help="number of videos; a broken one is added", minimum=1)
    nights: int = option(0, help="nights on which more videos arrive: night-1.csv, … list what is there", minimum=0)
    seed: int = option(0, help="random seed; the same seed gives the same videos", minimum=0)


def main(arguments: list[str] | None = None) -> None:
    """Run the job."""
    options = parse_or_exit(SampleOptions, __doc__, arguments)
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints its settings unless it reports errors only
    folder = files.local_path(options.output) if files.has_scheme(options.output) else options.output
    manifest = make_samples(Path(folder), options.count, options.seed, options.nights)
    print(f"{counted(options.count, 'video')} and a broken one: {manifest}")


if __name__ == "__main__":
    main()
