"""What `jobs/score_videos.py` can be told, and what follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

from cluster.engines.base import EngineConfig
from cluster.engines.scoring_engines import SCORING_ENGINES, ScoringEngineConfig
from cluster.extraction.config import ExtractionConfig
from cluster.runs.command_line import option, option_of
from cluster.storage.files import join
from schemas.records import is_date

MAX_LABELS = 1 << 31  # of a shard: their places are 32 bits wide
PRECISIONS = ("auto", "bf16", "fp16", "fp32")
OF_FEATURES, OF_VIDEOS = "features", "videos"
ROWS_PER_SHARD = {OF_FEATURES: 32768, OF_VIDEOS: 1024}
MAX_FAILURE_RATIO = {OF_FEATURES: 0.0, OF_VIDEOS: 0.1}
# Options that mean something for one of the two alone.
ALONE = {
    OF_FEATURES: ("max_frames",),
    OF_VIDEOS: (
        *("embeddings", "views", "crops", "precision", "max_pixels", "pools", "embed_workers"),
        *("time_limit", "memory_limit_mib", "retry_failed"),
    ),
}


@dataclass(frozen=True)
class ScoringConfig:
    """One scoring run, by its options: of features, or of videos with a classifier of clips."""

    checkpoint: tuple[str, ...] = option("folder of a trained classifier; the probabilities of several are averaged")
    labels: str = option("folder or URI that the labels go to, below date=YYYY-MM-DD")
    features: tuple[str, ...] = option("datasets, folders, globs or files of features (.parquet or .tfrecord)", ())
    videos: str | None = option(
        "in place of features, for a classifier of clips: folder, glob, bucket prefix, video, or manifest", None
    )
    embeddings: str | None = option(
        "of videos: folder or URI of a dataset that takes what the network sees before its head, as features", None
    )
    views: int | None = option(
        "of videos: clips whose probabilities are averaged; by default as the checkpoint says", None
    )
    crops: int | None = option("of videos: crops of each clip, 1 or 3; by default as the checkpoint says", None)
    date: str | None = option("the day that the labels are of, as YYYY-MM-DD; by default today (UTC)", None)
    only_new: bool = option(
        "leave out videos that this model has labelled on any day, and not on this one alone", False
    )
    top_k: int = option("labels a video, at most", 20)
    threshold: float = option("leave out labels with a lower score", 0.0)
    submission: str | None = option("write all labels of the day and model to this CSV in YouTube-8M's form too", None)
    max_frames: int | None = option("of frame-level features, use only the first", None)
    rows_per_shard: int | None = option(
        "videos in one label file, about; by default 32768 of features, 1024 of videos", None
    )
    precision: str = option("of videos: of the network", "auto", choices=PRECISIONS)
    max_pixels: int = option_of(ExtractionConfig, "max_pixels")
    engine: str = option("what carries the work out", "ray", choices=tuple(SCORING_ENGINES))
    address: str | None = option("of a Ray cluster; by default RAY_ADDRESS, or a new one on this machine", None)
    workers: int | None = option("workers; by default one for each GPU, or for each CPU core where there is none", None)
    pools: str = option_of(ExtractionConfig, "pools")
    embed_workers: int | None = option_of(ExtractionConfig, "embed_workers")
    time_limit: float = option("of videos: seconds that one may take", 900.0)
    memory_limit_mib: int = option("of videos: MiB that one may take beyond the network", 3072)
    cluster_wait: float = option_of(ExtractionConfig, "cluster_wait")
    retry_failed: tuple[str, ...] | None = option_of(ExtractionConfig, "retry_failed")
    max_failure_ratio: float | None = option(
        "exit with 3 if more of the videos than this have failed; by default 0 of features, 0.1 of videos", None
    )
    quiet: bool = option("no progress", False)
    log_format: str = option("of progress", "text", choices=("text", "json"))

    def __post_init__(self) -> None:
        """Check everything, so that all that is wrong is told at once."""
        problems = [
            f"{name.replace('_', '-')} must be at least 1, not {getattr(self, name)}"
            for name in (
                *("top_k", "max_frames", "rows_per_shard", "workers", "views", "max_pixels", "embed_workers"),
                *("memory_limit_mib",),
            )
            if getattr(self, name) is not None and getattr(self, name) < 1
        ]
        problems += [] if self.checkpoint else ["checkpoint must name something"]
        if bool(self.features) == (self.videos is not None):
            problems.append("give --features or --videos, one of them")
        problems += [
            f"{name} must not be empty"
            for name in ("labels", "videos", "embeddings")
            if getattr(self, name) is not None and not getattr(self, name).strip()
        ]
        if self.embeddings is not None and join(self.embeddings) == join(self.labels):
            problems.append(f"labels and embeddings must be two places, not both {self.labels!r}")
        problems += self._misplaced()
        if self.crops not in (None, 1, 3):
            problems.append(f"crops must be 1 or 3, not {self.crops}")
        problems += [
            f"{name.replace('_', '-')} must be above 0 and finite, not {getattr(self, name)}"
            for name in ("time_limit", "cluster_wait")
            if not 0 < getattr(self, name) < math.inf
        ]
        problems += [
            f"{name.replace('_', '-')} must be between 0 and 1, not {getattr(self, name)}"
            for name in ("threshold", "max_failure_ratio")
            if getattr(self, name) is not None and not 0 <= getattr(self, name) <= 1
        ]
        if self.date is not None and not is_date(self.date):
            problems.append(f"date must be a day such as 2025-01-31, not {self.date!r}")
        if self.top_k * self.shard_rows >= MAX_LABELS:
            problems.append(f"top-k times rows-per-shard must be below {MAX_LABELS}")
        if len(set(self.checkpoint)) < len(self.checkpoint):
            problems.append("checkpoint names the same folder more than once")
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def kind(self) -> str:
        """What is scored: features or videos."""
        return OF_FEATURES if self.videos is None else OF_VIDEOS

    @property
    def shard_rows(self) -> int:
        """Videos in one label file, about."""
        return self.rows_per_shard or ROWS_PER_SHARD[self.kind]

    @property
    def failure_limit(self) -> float:
        """Of the videos tried, how many may fail."""
        return MAX_FAILURE_RATIO[self.kind] if self.max_failure_ratio is None else self.max_failure_ratio

    def dated(self) -> ScoringConfig:
        """The same with its day, if none was given."""
        return self if self.date is not None else replace(self, date=f"{datetime.now(UTC):%Y-%m-%d}")

    def engine_config(self) -> ScoringEngineConfig:
        """How much of the machine is used for features."""
        return ScoringEngineConfig(workers=self.workers, address=self.address, wait_seconds=self.cluster_wait)

    def video_engine_config(self) -> EngineConfig:
        """How much of the machine is used for videos."""
        return EngineConfig(
            workers=self.workers,
            embed_workers=self.embed_workers,
            pools=self.pools,
            time_limit_seconds=self.time_limit,
            wait_seconds=self.cluster_wait,
            address=self.address,
        )

    def _misplaced(self) -> list[str]:
        """Options that were given and are for the other kind."""
        other = OF_VIDEOS if self.kind == OF_FEATURES else OF_FEATURES
        return [
            f"{field.name.replace('_', '-')} is for --{other} alone"
            for field in fields(self)
            if field.name in ALONE[other] and getattr(self, field.name) != field.default
        ]
