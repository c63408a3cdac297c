"""How clip classifiers give timelines: a table of their kinds, each with the length of its steps and its stage.

    stream   networks that watch every frame and remember (`classifiers.clip_models.streaming`): steps at --timeline-hz
    windows  all others look at one clip for each step: steps of --stride

Options that a kind cannot take are errors that say what it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.model_options import parse_options
from cluster.engines.stage import VideoStage
from cluster.scoring.clip_network import ClipNetwork
from cluster.scoring.plan import timeline_form
from cluster.scoring.stream_network import StreamNetwork
from cluster.scoring.stream_scorer import StreamScorer
from cluster.scoring.window_scorer import WindowScorer
from cluster.timelines.config import TimelineOptions
from extractors.clips.sampling import ClipSampling
from extractors.video.grid import MAX_DENOMINATOR, as_fps

MAX_LISTED_RATES = 6


@dataclass(frozen=True, kw_only=True)
class TimelineKind:
    """A kind of classifiers that can give timelines.

    step_seconds  the length of a step; raises `ValueError` for options that do not fit the classifier
    sampling      the clips that are looked at, where there are any; raises `ValueError` for an unknown one
    stage         makes the stage, given the length of a step, the precision of its networks, and the largest frame
    runs_on_gpus  whether its networks can run in a pool, on GPUs where there are any
    """

    name: str
    step_seconds: Callable[[TrainedClipClassifier, TimelineOptions], Fraction]
    sampling: Callable[[TrainedClipClassifier], ClipSampling | None]
    stage: Callable[[TrainedClipClassifier, TimelineOptions, Fraction, str, int], VideoStage]
    runs_on_gpus: bool


def timeline_kind(trained: TrainedClipClassifier) -> TimelineKind:
    """The kind of a classifier. Raises `ValueError` for stream networks together with others."""
    if trained.is_stream:
        return TIMELINE_KINDS["stream"]
    if trained.stream_members:
        raise ValueError(
            "some of the checkpoints are stream networks and some are not, whose timelines cannot be averaged: with "
            "--timeline give those of one kind"
        )
    return TIMELINE_KINDS["windows"]


def _stream_step(trained: TrainedClipClassifier, options: TimelineOptions) -> Fraction:
    if options.stride is not None:
        raise ValueError(
            f"--stride goes with clip models that look at one clip for each step; {trained.name} is a stream network, "
            "which watches every frame: give --timeline-hz in place of it"
        )
    rate = trained.clips.format.fps
    if rate is None:
        raise ValueError(
            f"{trained.name} knows no rate at which to watch a video: its clips are of all frames, however many there "
            "are in a second. Train with --fps, or give another checkpoint"
        )
    fps, hz = as_fps(rate), as_fps(options.timeline_hz)
    if (fps / hz).denominator != 1:
        listed = ", ".join(f"{float(fps / number):.4g}" for number in range(1, MAX_LISTED_RATES + 1))
        raise ValueError(
            f"timeline-hz is {options.timeline_hz:g}, but {trained.name} watches {rate} frames a second: there must be "
            f"a whole number of these in a step, as with {listed}, ..."
        )
    return 1 / hz


def _stream_stage(
    trained: TrainedClipClassifier, options: TimelineOptions, step_seconds: Fraction, precision: str, max_pixels: int
) -> StreamScorer:
    assert trained.clips.format.fps is not None  # as `_stream_step` has checked
    return StreamScorer(
        network=StreamNetwork(trained, precision),
        clip_format=trained.clips.format,
        form=timeline_form(trained, options, step_seconds),
        step_frames=int(as_fps(trained.clips.format.fps) * step_seconds),
        max_pixels=max_pixels,
    )


def _window_step(trained: TrainedClipClassifier, options: TimelineOptions) -> Fraction:
    if options.stride is None:
        raise ValueError(
            f"{trained.name} is no stream network, it looks at clips: give --stride, the seconds from one to the next "
            "(--stride 1), or the checkpoint of a stream network such as movinet-a0-stream"
        )
    if "timeline_hz" not in options.unchanged():
        raise ValueError(f"--timeline-hz goes with stream networks and features; {trained.name} takes --stride alone")
    return Fraction(options.stride).limit_denominator(MAX_DENOMINATOR)


def _window_stage(
    trained: TrainedClipClassifier, options: TimelineOptions, step_seconds: Fraction, precision: str, max_pixels: int
) -> WindowScorer:
    return WindowScorer(
        network=ClipNetwork(trained, precision),
        num_classes=trained.config.num_classes,
        clip_format=trained.clips.format,
        short=_window_sampling(trained).short,
        form=timeline_form(trained, options, step_seconds),
        step_seconds=step_seconds,
        max_pixels=max_pixels,
    )


def _window_sampling(trained: TrainedClipClassifier) -> ClipSampling:
    stored = parse_options(ClipSampling(), trained.clips.sampling, "the sampling that the checkpoint names")
    return ClipSampling(placement="start", short=stored.short)


TIMELINE_KINDS: Mapping[str, TimelineKind] = {
    kind.name: kind
    for kind in (
        TimelineKind(
            name="stream",
            step_seconds=_stream_step,
            sampling=lambda trained: None,
            stage=_stream_stage,
            runs_on_gpus=False,
        ),
        TimelineKind(
            name="windows",
            step_seconds=_window_step,
            sampling=_window_sampling,
            stage=_window_stage,
            runs_on_gpus=True,
        ),
    )
}
