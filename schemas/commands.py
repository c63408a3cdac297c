"""The commands of `framemill`, and the jobs that carry them out, as whoever started this process knows them.

Every package names jobs in its errors, and none of them knows how it was started: in a checkout as a script, from an
installed package as a command.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

PROGRAM = "framemill"
# By its name, what a command does: the job that carries it out, and in words.
JOB_COMMANDS: Mapping[str, tuple[str, str]] = {
    "extract": ("extract_features", "videos → features, one row for each video"),
    "train": ("train_classifier", "features or clips → a classifier; mouths → a lip reader"),
    "label": ("score_videos", "features or videos → their best classes, also over time"),
    "nightly": ("nightly", "extract and label what is new or has changed, with a report"),
    "manifest": ("make_manifest", "a video data set → a manifest with labels and splits"),
    "clips": ("cut_clips", "annotations → a manifest of clips, cut files, TFRecords"),
    "join-streams": ("join_streams", "classifiers of RGB and of flow → one of both"),
    "compact": ("compact_features", "many small shards of features → few"),
    "convert": ("convert_tfrecords", "YouTube-8M's .tfrecord files → features, or back"),
    "transcribe": ("transcribe_lips", "videos → what is said, from the lips, and subtitles"),
    "watch": ("watch", "a camera or stream → its best classes, as it goes"),
    "serve": ("serve", "models → an HTTP service with a page"),
    "export": ("export_model", "a classifier of clips → ONNX or LiteRT"),
    "evaluate": ("evaluate_events", "labels over time, against annotated intervals"),
    "compare": ("compare_trainings", "trainings side by side, on one page"),
    "samples": ("make_sample_videos", "generated videos to try all this with"),
    "recordings": ("make_recordings", "generated workouts with annotations, likewise"),
    "submit": ("submit", "a command → a Ray job, with its output and exit code"),
}
COMMAND_OF = {name: command for command, (name, _) in JOB_COMMANDS.items()}


def job(name: str) -> str:
    """What starts the job `name`, such as `score_videos`: where this process is a script of a job, its neighbour."""
    program = Path(*sys.argv[:1])
    if program.suffix == ".py" and program.stem in COMMAND_OF:
        neighbour = program.with_name(f"{name}.py")
        if neighbour.is_file():  # else the program is another one, of the same name
            return f"python {neighbour}"
    return f"{PROGRAM} {COMMAND_OF[name]}"
