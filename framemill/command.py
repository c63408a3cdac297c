"""The command `framemill`: every job under one name, from wherever the package is installed.

    framemill extract --input videos/ --output features/

It takes the options of the job. `python jobs/extract_features.py`, in a checkout, is the same, and what
`ray job submit` runs on a cluster.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from cluster.runs.command_line import discard_output
from cluster.runs.option import nearest
from framemill import __version__
from framemill.commands import Command

HELP = ("-h", "--help", "help")
COMPLETION = "completion"  # which knows the commands from here


COMMANDS = {
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
SCRIPT = re.compile(r"(?<!-- )python jobs/(\w+)\.py")  # not after `ray job submit … --`


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ["--help"]
    if name in HELP:
        return _show(_usage())
    if name in ("-V", "--version"):
        return _show(f"framemill {__version__}")
    if name not in COMMANDS:
        print(f"error: there is no command {name!r}{nearest(name, COMMANDS)}", file=sys.stderr)
        print("framemill --help lists all commands", file=sys.stderr)
        return 2
    sys.argv = [f"framemill {name}", *rest]
    module = import_module(COMMANDS[name].module)
    module.__doc__ = as_commands(module.__doc__ or "")
    run: Callable[..., int | None] = module.main
    return run(*([COMMANDS] if name == COMPLETION else [])) or 0


def as_commands(text: str) -> str:
    """The text with commands in place of the scripts that carry them out, but where a Ray job has its own checkout."""
    names = {command.module.removeprefix("jobs."): name for name, command in COMMANDS.items()}
    return SCRIPT.sub(lambda found: f"framemill {names[found[1]]}", text)


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: framemill COMMAND [option …]",
            "",
            *lines,
            "",
            "framemill COMMAND --help lists the options of a command, framemill --version the release.",
        ]
    )


def _show(text: str) -> int:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # `framemill --help | head` has read enough
        discard_output()
    return 0
