"""The commands of `framemill`, and the jobs that carry them out, as whoever started this process knows them.

Every package names jobs in its errors, and none of them knows how it was started: in a checkout as a script, from an
installed package as a command.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

PROGRAM = "framemill"
JOBS = "jobs."  # modules that are scripts, too
COMPLETION = "completion"  # whose `main` is given the commands


@dataclass(frozen=True)
class Command:
    """A command: the module whose `main` carries it out, and what it does."""

    module: str
    summary: str


COMMANDS: Mapping[str, Command] = {
    "extract": Command("jobs.extract_features", "videos → features, one row for each video"),
    "train": Command("jobs.train_classifier", "features or clips → a classifier; mouths → a lip reader"),
    "label": Command("jobs.score_videos", "features or videos → their best classes, also over time"),
    "nightly": Command("jobs.nightly", "extract and label what is new or has changed, with a report"),
    "manifest": Command("jobs.make_manifest", "a video data set → a manifest with labels and splits"),
    "clips": Command("jobs.cut_clips", "annotations → a manifest of clips, cut files, TFRecords"),
    "join-streams": Command("jobs.join_streams", "classifiers of RGB and of flow → one of both"),
    "compact": Command("jobs.compact_features", "many small shards of features → few"),
    "convert": Command("jobs.convert_tfrecords", "YouTube-8M's .tfrecord files → features, or back"),
    "transcribe": Command("jobs.transcribe_lips", "videos → what is said, from the lips, and subtitles"),
    "watch": Command("jobs.watch", "a camera or stream → its best classes, as it goes"),
    "serve": Command("jobs.serve", "models → an HTTP service with a page"),
    "export": Command("jobs.export_model", "a classifier of clips → ONNX or LiteRT"),
    "evaluate": Command("jobs.evaluate_events", "labels over time, against annotated intervals"),
    "compare": Command("jobs.compare_trainings", "trainings side by side, on one page"),
    "samples": Command("jobs.make_sample_videos", "generated videos to try all this with"),
    "recordings": Command("jobs.make_recordings", "generated workouts with annotations, likewise"),
    "submit": Command("jobs.submit", "a command → a Ray job, with its output and exit code"),
    "doctor": Command("framemill.doctor", "what is installed, what is missing, and how to get it"),
    COMPLETION: Command("framemill.completion", "completion for bash, zsh or fish"),
}
COMMAND_OF: Mapping[str, str] = {  # by the name of the job
    command.module.removeprefix(JOBS): name for name, command in COMMANDS.items() if command.module.startswith(JOBS)
}


def job(name: str) -> str:
    """What starts the job `name`, such as `score_videos`: where this process is a script of a job, its neighbour."""
    command = f"{PROGRAM} {COMMAND_OF[name]}"
    program = PurePath(*sys.argv[:1])
    is_script = program.suffix == ".py" and program.stem in COMMAND_OF
    return f"python {program.with_name(f'{name}.py')}" if is_script else command
