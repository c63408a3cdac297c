"""Write short sample videos with sound, a folder for each kind of content, and a manifest.

python jobs/make_sample_videos.py --output samples/
python jobs/make_sample_videos.py --output samples/ --count 12 --seed 1
"""

# Out: `DIR/<kind>/<kind>-<nn>.<ext>`, so that each folder is a class; `DIR/broken/broken-01.mp4`, whose end is missing,
# so that a run over the folder has a failure to show; and `DIR/manifest.csv` with `id,uri,labels,split`, where the uri
# is relative to the manifest. Everything is drawn and encoded here, and is the same for the same seed.

import os
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from cluster.runs.command_line import parse_or_exit
from cluster.runs.options import Options, option
from jobs.samples.videos import make_samples


@dataclass(frozen=True)
class SampleOptions(Options):
    """One set of sample videos."""

    output: str = option(help="folder to write to")
    count: int = option(36, help="number of whole videos; one broken one is added", minimum=1)
    seed: int = option(0, help="same seed, same videos", minimum=0)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, write the videos, say where they are."""
    options = parse_or_exit(SampleOptions, __doc__, arguments)
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints its settings unless told to report errors only
    manifest = make_samples(Path(options.output), options.count, options.seed)
    print(f"{options.count} videos and a broken one: {manifest}")


if __name__ == "__main__":
    main()
