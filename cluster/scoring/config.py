"""Options of `jobs/score_videos.py`, and the settings that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

from cluster.engines.options import EngineOptions, memory_limit_option, time_limit_option
from cluster.features.record_options import RecordOptions
from cluster.runs.common_options import AccessOptions, FolderOptions, ReportingOptions, read_policy
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.scoring.backend_choice import BACKEND_HELP, BACKEND_NAMES, backend_conflicts, is_exported
from cluster.storage.files import join
from cluster.storage.read_policy import ReadPolicy
from cluster.timelines.config import TimelineOptions, sensitive_defaults
from extractors.video.media import MAX_PIXELS
from schemas.outcomes import FailureCode
from schemas.records import is_date

MAX_LABELS = 1 << 31  # of a shard: their places are 32 bits wide
PRECISIONS = ("auto", "bf16", "fp16", "fp32")
OF_FEATURES, OF_VIDEOS = "features", "videos"
ROWS_PER_SHARD = {OF_FEATURES: 32768, OF_VIDEOS: 1024}
TIMELINE_ROWS_PER_SHARD = 1024
MAX_FAILURE_RATIO = {OF_FEATURES: 0.0, OF_VIDEOS: 0.1}


@dataclass(frozen=True)
class ScoreOptions(Options):
    """Which labels a video gets."""

    top_k: int = option(20, help="highest number of labels of a video", minimum=1, common=True)
    threshold: float = option(0.0, help="leave out labels with a lower score", minimum=0, maximum=1)


@dataclass(frozen=True)
class ClipScoringOptions(Options):
    """How a classifier of clips looks at videos."""

    embeddings: str | None = option(
        None,
        help="folder or URI of a feature dataset for the network's output before its head",
        filled=True,
        is_written=True,
        goes_with=OF_VIDEOS,
    )
    views: int | None = option(
        None,
        help="clips of a video whose probabilities are averaged; by default those of the checkpoint",
        minimum=1,
        goes_with=OF_VIDEOS,
    )
    crops: int | None = option(
        None, help="crops of each clip; by default those of the checkpoint", choices=(1, 3), goes_with=OF_VIDEOS
    )
    precision: str = option("auto", help="precision of the network", choices=PRECISIONS, goes_with=OF_VIDEOS)
    backend: str | None = option(None, help=BACKEND_HELP, choices=BACKEND_NAMES, goes_with=OF_VIDEOS, common=True)
    max_pixels: int = option(
        MAX_PIXELS, help="largest frame that is decoded, in pixels", minimum=1, goes_with=OF_VIDEOS
    )


@dataclass(frozen=True)
class ScoringEngineOptions(EngineOptions):
    """Of the engines, what scoring offers; processes that decode are there with videos alone."""

    workers: int | None = option(
        None,
        help="number of workers; by default one for each GPU, or for each CPU core where there is no GPU",
        minimum=1,
        common=True,
    )
    pools: str = option(
        "auto",
        help="networks together with the decoders, or apart in workers of their own; auto: apart where there are GPUs; "
        "stream networks with --timeline, and those of --backend onnx, are always together",
        choices=("auto", "together", "apart"),
        goes_with=OF_VIDEOS,
    )
    embed_workers: int | None = option(
        None,
        help="number of workers that run the network with --pools apart; by default one for each GPU",
        minimum=1,
        goes_with=OF_VIDEOS,
    )
    time_limit: float = time_limit_option(900.0, "video", goes_with=OF_VIDEOS)
    memory_limit_mib: int = memory_limit_option("video", goes_with=OF_VIDEOS)


@dataclass(frozen=True)
class ScoringFailureOptions(Options):
    """How failed videos are treated."""

    retry_failed: tuple[str, ...] | None = option(
        None,
        help="retry failed videos: those with the given failure codes, or all",
        choices=tuple(FailureCode),
        goes_with=OF_VIDEOS,
    )
    max_failure_ratio: float | None = option(
        None,
        help="fraction of failed videos above which the exit code is 3; by default 0 for features, 0.1 for videos",
        minimum=0,
        maximum=1,
    )


@dataclass(frozen=True)
class ScoringOptions(Options):
    """One scoring run, of features or of videos with a classifier of clips."""

    checkpoint: tuple[str, ...] = option(
        help="folder or URI of a trained classifier, or its exported file (.onnx); the probabilities of several are "
        "averaged",
        filled=True,
        common=True,
    )
    labels: str = option(
        help="folder or URI of the label dataset; labels go below date=YYYY-MM-DD",
        filled=True,
        is_written=True,
        common=True,
    )
    features: tuple[str, ...] = option(
        (), help="datasets, folders, globs or files of features (.parquet or .tfrecord)", common=True
    )
    videos: str | None = option(
        None,
        help="instead of features, for a classifier of clips: folder, glob, bucket prefix, single video, or manifest",
        filled=True,
        common=True,
    )
    date: str | None = option(
        None,
        help="day of the labels, as YYYY-MM-DD; by default today (UTC)",
        must_be="a day such as 2025-01-31",
        accepts=is_date,
    )
    only_new: bool = option(
        False, help="leave out videos that this model has labelled on any day, not only on this one"
    )
    submission: str | None = option(
        None,
        help="also write all labels of the day and model to this CSV file, in YouTube-8M's form",
        is_written=True,
    )
    max_frames: int | None = option(
        None,
        help="use only so many of a video's first frames, with frame-level features",
        minimum=1,
        goes_with=OF_FEATURES,
    )
    rows_per_shard: int | None = option(
        None,
        help="approximate number of videos in one label file; by default 1024, for features without timelines 32768",
        minimum=1,
    )
    folders: FolderOptions = field(default_factory=FolderOptions)
    access: AccessOptions = field(default_factory=AccessOptions)
    scores: ScoreOptions = field(default_factory=ScoreOptions)
    records: RecordOptions = field(default_factory=RecordOptions)
    clips: ClipScoringOptions = field(default_factory=ClipScoringOptions)
    timelines: TimelineOptions = field(default_factory=TimelineOptions)
    engine: ScoringEngineOptions = field(default_factory=ScoringEngineOptions)
    failures: ScoringFailureOptions = field(default_factory=ScoringFailureOptions)
    reporting: ReportingOptions = field(default_factory=ReportingOptions)

    @classmethod
    @override
    def implied(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return sensitive_defaults(given)

    @override
    def conflicts(self) -> list[str]:
        problems = []
        if bool(self.features) == (self.videos is not None):
            problems.append("give --features or --videos, one of them")
        if self.videos is None:
            problems += [f"--{name} goes with --videos" for name in self.folders.given()]
        embeddings = self.clips.embeddings
        if embeddings is not None and join(embeddings) == join(self.labels):
            problems.append(f"labels and embeddings must be two places, not both {self.labels!r}")
        if self.scores.top_k * self._rows_per_shard >= MAX_LABELS:
            problems.append(f"top-k times rows-per-shard must be below {MAX_LABELS}")
        if len(set(self.checkpoint)) < len(self.checkpoint):
            problems.append("checkpoint names the same folder more than once")
        if self.videos is None:
            exported = [checkpoint for checkpoint in self.checkpoint if is_exported(checkpoint)]
            problems += [f"{checkpoint} takes clips of videos: give --videos" for checkpoint in exported]
        problems += backend_conflicts(self.checkpoint, self.clips.backend, self.clips.precision)
        return [*problems, *self._timeline_conflicts()]

    def _timeline_conflicts(self) -> list[str]:
        if not self.timelines.timeline:
            return []
        clips, timelines = self.clips, self.timelines
        problems = [
            f"--{name} does not go with --timeline, for which {reason}"
            for name, value, reason in (
                ("embeddings", clips.embeddings, "a video has scores at every step and no features of its own"),
                ("views", clips.views, "each step has one clip, or a network watches all of the video"),
                ("crops", clips.crops, "the centre of each frame is looked at"),
            )
            if value is not None
        ]
        if self.videos is None and timelines.stride is not None:
            problems.append(
                "--stride goes with --videos; with features, timelines have --timeline-hz steps in a second"
            )
        if self.videos is None and timelines.memory_seconds is not None:
            problems.append("--memory-seconds goes with --videos and stream networks; with features, give --window")
        if self.max_frames is not None:
            problems.append("--max-frames does not go with --timeline, which covers all frames of a video")
        if self.videos is not None and "window" not in timelines.unchanged():
            problems.append("--window goes with --features; a network that takes videos knows how much it looks at")
        if timelines.vtt is not None and join(timelines.vtt) == join(self.labels):
            problems.append(f"labels and vtt must be two places, not both {self.labels!r}")
        return problems

    @property
    def policy(self) -> ReadPolicy:
        """How far the reading of videos goes."""
        return read_policy(self.folders, self.access)

    @property
    def kind(self) -> str:
        """What is scored: features or videos."""
        return OF_FEATURES if self.videos is None else OF_VIDEOS

    @property
    def _rows_per_shard(self) -> int:
        default = TIMELINE_ROWS_PER_SHARD if self.timelines.timeline else ROWS_PER_SHARD[self.kind]
        return self.rows_per_shard or default

    def settings(self) -> ScoringSettings:
        """The options with everything resolved: today's date where none is given, defaults of the kind."""
        date = self.date or f"{datetime.now(UTC):%Y-%m-%d}"
        ratio = self.failures.max_failure_ratio
        return ScoringSettings(
            options=self.with_values(date=date),
            date=date,
            rows_per_shard=self._rows_per_shard,
            max_failure_ratio=MAX_FAILURE_RATIO[self.kind] if ratio is None else ratio,
        )


@dataclass(frozen=True, kw_only=True)
class ScoringSettings:
    """One scoring run, resolved.

    options            those that repeat it, on any day
    date               the day that the labels are of
    rows_per_shard     videos in one label file, about
    max_failure_ratio  of the videos tried, how many may fail
    """

    options: ScoringOptions
    date: str
    rows_per_shard: int
    max_failure_ratio: float
