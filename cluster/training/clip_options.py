"""How clips are taken from videos: as options, and as settings to train, to measure and to score."""

from __future__ import annotations

from dataclasses import dataclass, replace

from classifiers.data.augmentation_config import ClipAugmentationConfig
from classifiers.model_options import parse_options
from cluster.runs.option import named_values, option
from cluster.runs.options import Options, attempt
from extractors.clips.sampling import PLACEMENTS, SHORT, ClipSampling
from schemas.clips import FLOWS, ClipFormat
from schemas.errors import InputError

RANDOM = "random"  # placement
VIDEOS = "videos"  # the option that all of these go with


@dataclass(frozen=True)
class ClipOptions(Options):
    """How clips are taken from videos."""

    placement: str = option(
        "central", help="position of the clip in the video", choices=PLACEMENTS, goes_with=VIDEOS, common=True
    )
    short: str = option(
        "loop", help="how a clip is filled that is longer than its video", choices=SHORT, goes_with=VIDEOS
    )
    start_seconds: float = option(
        0.0, help="with --placement start: seconds at which the clip starts", goes_with=VIDEOS
    )
    speed: tuple[str, ...] = option(
        ("1", "1"), help="with --placement random: slowest and fastest playback speed", goes_with=VIDEOS
    )
    augment: tuple[str, ...] = option(
        (),
        help="augmentation of clips, on the device that trains, as NAME=VALUE: flip=0.5 rotation=0.3 colour=0.8 …",
        goes_with=VIDEOS,
        common=True,
    )
    random_crop: bool = option(False, help="crop frames at random in training, not at the centre", goes_with=VIDEOS)
    fps: str | None = option(None, help="frames a second of a clip; by default those of the model", goes_with=VIDEOS)
    flow: str | None = option(
        None,
        help="method of the optical flow, for models that look at it; by default that of the published weights, tvl1; "
        "dis is much faster and needs OpenCV",
        choices=FLOWS,
        goes_with=VIDEOS,
    )
    views: int = option(1, help="clips of a video that scoring averages; training uses one", goes_with=VIDEOS)
    crops: int = option(1, help="crops of each view: 1, or 3 along the longer side", goes_with=VIDEOS)
    clip_cache: str | None = option(
        None,
        help="folder or URI for decoded clips, shared by epochs and trainings",
        is_written=True,
        goes_with=VIDEOS,
    )
    max_failure_ratio: float = option(
        0.1,
        help="fraction of videos that cannot be decoded above which the training stops",
        minimum=0,
        maximum=1,
        goes_with=VIDEOS,
    )

    def settings(self, model: str, native: ClipFormat) -> ClipSettings:
        """What follows for a model whose own format is `native`.

        Raises:
            InputError: with everything that is wrong.
        """
        problems: list[str] = []
        if self.clip_cache is not None and (self.placement == RANDOM or self.random_crop):
            problems.append("clips that differ from epoch to epoch cannot be cached: leave --clip-cache out")
        clip_format = attempt(lambda: self._format(model, native), problems)
        numbers = attempt(lambda: named_values("augment", self.augment), problems)
        augmentation = attempt(lambda: parse_options(ClipAugmentationConfig(), numbers or {}, "augment"), problems)
        sampling = attempt(self._sampling, problems)
        views = attempt(lambda: ClipSampling(views=self.views, crops=self.crops), problems)
        if (
            clip_format is not None
            and clip_format.flow is not None
            and augmentation is not None
            and augmentation.colour
        ):
            problems.append(f"--augment colour changes RGB, but model {model!r} looks at optical flow: leave it out")
        if clip_format is None or augmentation is None or sampling is None or views is None or problems:
            raise InputError(*problems)
        is_random = sampling.placement == RANDOM
        steady = ClipSampling(short=sampling.short) if is_random else replace(sampling, random_crop=False)
        return ClipSettings(
            format=clip_format,
            sampling=sampling,
            steady=steady,
            scoring=replace(steady, views=views.views, crops=views.crops),
            augmentation=augmentation,
        )

    def _format(self, model: str, native: ClipFormat) -> ClipFormat:
        if self.flow is not None and native.flow is None:
            raise ValueError(f"--flow is for models that look at optical flow, not for {model!r}")
        flow = self.flow or native.flow
        try:
            from extractors.flow.fields import require_flow  # which brings torch

            require_flow(flow)
        except ImportError as error:
            raise ValueError(str(error)) from error
        return replace(native, fps=self.fps or native.fps, flow=flow)

    def _sampling(self) -> ClipSampling:
        try:
            slowest, fastest = map(float, self.speed)
        except ValueError:
            raise ValueError(f"speed is two numbers, not {' '.join(self.speed)}") from None
        return ClipSampling(
            placement=self.placement,
            short=self.short,
            start_seconds=self.start_seconds,
            speed=(slowest, fastest),
            random_crop=self.random_crop,
        )


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """How clips are taken from videos, resolved.

    sampling      in training
    steady        to measure: the same without anything random
    scoring       as the checkpoint records it for scoring: with several views, for example
    augmentation  random changes of clips in training
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
