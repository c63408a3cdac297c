"""The live view, from options to an exit code.

checkpoints ─► network ◄─ latest look ◄─ reader (a thread) ◄─ source
                  └► result ─► screen, recording
"""

from __future__ import annotations

import sys

from classifiers.inference.base import Trained
from classifiers.inference.clip_base import ClipClassifier
from classifiers.weights.checkpoint import CLIP, CheckpointError
from cluster.engines.base import usable_cores
from cluster.live.config import WatchOptions
from cluster.live.network import LiveNetwork
from cluster.live.screen import screen_for
from cluster.live.view import LiveView
from cluster.runs.lifecycle import ExitCode, bad_input
from cluster.scoring.backend_choice import chosen_backend
from cluster.scoring.backends import BACKENDS
from cluster.storage import files
from cluster.storage.redaction import redacted_uri
from schemas.commands import job
from schemas.errors import InputError


def run_watch(options: WatchOptions) -> ExitCode:
    """Watch a source until it ends, or somebody ends it."""
    try:
        trained, network = ready_classifier(options)
    except (InputError, ImportError) as error:
        return bad_input(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    reporting = options.reporting
    screen = screen_for(sys.stdout, quiet=reporting.quiet, log_format=reporting.log_format)
    return LiveView(options, trained, network, screen)()


def ready_classifier(options: WatchOptions) -> tuple[ClipClassifier, LiveNetwork]:
    """The classifiers that the options name, read, joined and built. Raises `InputError` with all that is wrong."""
    problems = list(_record_problems(options.record)) if options.record is not None else []
    backend = BACKENDS[chosen_backend(options.checkpoint, options.network.backend)]
    checkpoints: dict[str, Trained] = {}
    for uri in options.checkpoint:
        try:
            checkpoints[uri] = checkpoint = backend.read(uri)
        except (CheckpointError, InputError, OSError) as error:
            problems.append(str(error))
            continue
        config = checkpoint.config
        if config.level != CLIP:
            problems.append(
                f"{uri}: model {config.model!r} takes {config.takes}: give a classifier of clips, as "
                f"{job('train_classifier')} --videos makes them"
            )
        elif config.clips is not None and config.clips.format.channels != 3:
            problems.append(
                f"{uri}: model {config.model!r} looks at optical flow, which is not computed live: give a network of "
                f"RGB, or label recordings with {job('score_videos')} --videos"
            )
    if problems:
        raise InputError(*problems)
    # One core is left to the decoder: threads of a network that wait for one another lose more than one of them brings.
    threads = options.network.threads or max(usable_cores() - 1, 1)
    try:
        trained = backend.classifier(checkpoints)
        memory = backend.memory_frames(trained, options.memory_seconds)
        network = LiveNetwork(trained, options.network.precision, threads, memory)
    except ValueError as error:  # `CheckpointError` among them
        raise InputError(str(error)) from error
    if network.is_stream and options.stride is not None:
        raise InputError(f"stride goes with networks that look at clips; {trained.name} looks at every frame")
    return trained, network


def _record_problems(uri: str) -> list[str]:
    try:
        files.check_writable(uri)
        if files.exists(uri):
            return [f"{redacted_uri(uri)} is there already, and recordings replace nothing: give another --record"]
    except InputError as error:
        return [str(error)]
    return []
