"""Write a few dozen short videos with sound, several kinds of content in many formats, to try the system on.

    python jobs/make_sample_videos.py --output DIR [--count 36] [--seed 0]

Out: `DIR/<kind>/<kind>-<nn>.<ext>`, so that each folder is a class; `DIR/broken/broken-01.mp4`, whose end is missing,
so that a run over the folder has a failure to show; and `DIR/manifest.csv` with `id,uri,labels,split`, where the uri is
relative to the manifest. Everything is drawn and encoded here, and is the same for the same seed.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only `jobs/` itself is on the path

from jobs.samples.videos import make_samples


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, write the videos, say where they are."""
    parser = argparse.ArgumentParser(
        description="Write short sample videos with sound, a folder for each kind of content, and a manifest.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--count", type=int, default=36, help="number of whole videos; one broken one is added")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same videos")
    options = parser.parse_args(arguments)
    if options.count < 1 or options.seed < 0:
        parser.error(f"--count {options.count} must be at least 1 and --seed {options.seed} at least 0")
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints its settings unless told to report errors only
    manifest = make_samples(options.output, options.count, options.seed)
    print(f"{options.count} videos and a broken one: {manifest}")


if __name__ == "__main__":
    main()
