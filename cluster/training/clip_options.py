"""What the options of a training say of clips: how they are taken from videos, to train, to measure and to score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from classifiers.data.clip_augmentation import ClipAugmentationConfig
from classifiers.model_options import parse_options
from cluster.runs.command_line import named_values
from extractors.clips.sampling import ClipSampling
from schemas.clips import ClipFormat

if TYPE_CHECKING:  # which imports this module
    from cluster.training.config import ClassifierTrainingConfig

RANDOM = "random"  # placement
RGB_CHANNELS = 3

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ClipOptions:
    """How clips are taken.

    sampling      in training
    steady        to measure: the same without anything random in it
    scoring       what the checkpoint tells those who score: the same with several views, say
    augmentation  what training changes of them
    """

    format: ClipFormat
    sampling: ClipSampling
    steady: ClipSampling
    scoring: ClipSampling
    augmentation: ClipAugmentationConfig

    @property
    def is_repeatable(self) -> bool:
        """Whether training sees the same clip of a video in every epoch."""
        return self.sampling == self.steady and self.augmentation == ClipAugmentationConfig()


def clip_options(config: ClassifierTrainingConfig) -> ClipOptions:
    """All of it, from the options.

    Raises:
        ValueError: with everything that is wrong.
    """
    problems: list[str] = []

    def tried(make: Callable[[], T]) -> T | None:
        try:
            return make()
        except ValueError as error:
            problems.append(str(error))
            return None

    clip_format = tried(lambda: _format(config))
    augmentation = tried(
        lambda: parse_options(ClipAugmentationConfig(), named_values("augment", config.augment), "augment")
    )
    sampling = tried(lambda: _sampling(config))
    scoring = tried(lambda: ClipSampling(views=config.views, crops=config.crops))
    if config.clip_cache is not None and (config.placement == RANDOM or config.random_crop):
        problems.append("clips that differ from epoch to epoch cannot be cached: leave --clip-cache out")
    if not 0 <= config.max_failure_ratio <= 1:
        problems.append(f"max-failure-ratio lies between 0 and 1, not at {config.max_failure_ratio}")
    if not config.time_limit > 0:
        problems.append(f"time-limit must be above 0, not {config.time_limit}")
    if config.memory_limit_mib < 1 or config.keep_frozen_mib < 0:
        problems.append("memory-limit-mib must be at least 1, and keep-frozen-mib not below 0")
    if problems:
        raise ValueError("\n".join(problems))
    assert clip_format is not None
    assert augmentation is not None
    assert sampling is not None
    assert scoring is not None
    is_random = sampling.placement == RANDOM
    steady = ClipSampling(short=sampling.short) if is_random else replace(sampling, random_crop=False)
    return ClipOptions(
        format=clip_format,
        sampling=sampling,
        steady=steady,
        scoring=replace(steady, views=scoring.views, crops=scoring.crops),
        augmentation=augmentation,
    )


def _format(config: ClassifierTrainingConfig) -> ClipFormat:
    own: ClipFormat = config.model_config().clip_format()
    if own.channels != RGB_CHANNELS:
        raise ValueError(
            f"model {config.model!r} looks at {own.channels} channels (optical flow), but videos give {RGB_CHANNELS} "
            "(RGB): take a model of RGB"
        )
    return own if config.fps is None else replace(own, fps=config.fps)


def _sampling(config: ClassifierTrainingConfig) -> ClipSampling:
    try:
        slowest, fastest = map(float, config.speed)
    except ValueError:
        raise ValueError(f"speed is two numbers, not {' '.join(config.speed)}") from None
    return ClipSampling(
        placement=config.placement,
        short=config.short,
        start_seconds=config.start_seconds,
        speed=(slowest, fastest),
        random_crop=config.random_crop,
    )
