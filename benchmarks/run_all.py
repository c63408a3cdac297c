"""Every benchmark that takes minutes and needs no preparation: tables on the screen, JSON in a folder.

    python benchmarks/run_all.py [CLIP …] [--folder FOLDER] [--full]

Without clips, generated ones are used. `--full` takes the sizes of the published figures (over an hour).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TAKES_CLIPS = ("decoding", "end_to_end")
# By the name of the result; a suffix after a point distinguishes two runs of one script.
SMALL: dict[str, tuple[str, ...]] = {
    "decoding": (),
    "embedding": (),
    "end_to_end": ("--seconds", "30"),
    "end_to_end.pictures": ("--without-sound", "--seconds", "30"),
    "small_files": ("--videos", "200"),
    "growth": ("--videos", "50"),
    "planning": ("--ids", "100000"),
    "compaction": ("--shards", "300"),
    "memory": ("--videos", "20", "200", "--minutes", "1", "10"),
    "simulation": (),
    "scoring": ("--videos", "100000"),
    "training": ("--videos", "20000", "--epochs", "2", "--rounds", "1"),
    "training_precision": ("--videos", "10000", "--epochs", "4", "--seeds", "3"),
    "frame_training": ("--models", "netvlad", "--videos", "64", "--rounds", "1"),
    "reported_models": ("--videos", "4000", "--epochs", "6"),
    "frame_models": ("--videos", "1200"),
    "clip_models": ("--models", "c3d", "r3d-18", "movinet-a0", "--repeats", "1"),
    "actions": ("--families", "r3d-18"),
    "stream_forms": ("--models", "movinet-a0-stream", "--rounds", "3"),
    "lip_reading": ("--speakers", "6", "2", "--sentences", "20", "--epochs", "2", "4"),
    "exported_actions": ("--scenes", "30", "8", "15", "--epochs", "2"),
    "transfer": ("--scenes", "30", "8", "15"),
    "clips": ("--videos", "64", "--rounds", "1"),
    "clip_cache": (),
    "windows": ("--repeats", "1"),
    "frozen_stages": ("--videos", "48"),
}
FULL: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(SMALL, ()),
    "end_to_end.pictures": ("--without-sound",),
    "planning": ("--ids", "1000000", "10000000"),
}


def main() -> int:
    """Run them one after the other; returns 1 if any of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*")
    parser.add_argument("--folder", type=Path, default=Path("bench"))
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    has_failed = False
    for name, options in (FULL if arguments.full else SMALL).items():
        print(f"\n== {name}", flush=True)
        script = name.partition(".")[0]
        clips = arguments.clips if script in TAKES_CLIPS else []
        result = ("--json", str(arguments.folder / f"{name}.json"))
        command = [sys.executable, str(FOLDER / f"{script}.py"), *clips, *options, *result]
        has_failed |= subprocess.run(command, check=False).returncode != 0
    return int(has_failed)


if __name__ == "__main__":
    sys.exit(main())
