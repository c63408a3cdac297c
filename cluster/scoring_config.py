"""What `jobs/score_videos.py` can be told, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cluster.command_line import option
from cluster.scoring_engines import SCORING_ENGINES, ScoringEngineConfig
from schemas.scorings import is_date

MAX_LABELS = 1 << 31  # of a shard: their places are 32 bits wide


@dataclass(frozen=True)
class ScoringConfig:
    """One scoring run, by its options."""

    features: tuple[str, ...] = option("datasets, folders, globs or files of features (.parquet or .tfrecord)")
    checkpoint: tuple[str, ...] = option("folder of a trained classifier; the probabilities of several are averaged")
    labels: str = option("folder or URI that the labels go to, below date=YYYY-MM-DD")
    date: str | None = option("the day that the labels are of, as YYYY-MM-DD; by default today (UTC)", None)
    only_new: bool = option(
        "leave out videos that this model has labelled on any day, and not on this one alone", False
    )
    top_k: int = option("labels a video, at most", 20)
    threshold: float = option("leave out labels with a lower score", 0.0)
    submission: str | None = option("write all labels of the day and model to this CSV in YouTube-8M's form too", None)
    max_frames: int | None = option("of frame-level features, use only the first", None)
    rows_per_shard: int = option("videos in one label file, about", 32768)
    engine: str = option("what carries the work out", "ray", choices=tuple(SCORING_ENGINES))
    address: str | None = option("of a Ray cluster; by default RAY_ADDRESS, or a new one on this machine", None)
    workers: int | None = option("workers; by default one for each GPU, or for each CPU core where there is none", None)
    max_failure_ratio: float = option("exit with 3 if more of the videos than this are in files that are damaged", 0.0)
    quiet: bool = option("no progress", False)
    log_format: str = option("of progress", "text", choices=("text", "json"))

    def __post_init__(self) -> None:
        """Check everything, so that all that is wrong is told at once."""
        problems = [
            f"{name.replace('_', '-')} must be at least 1, not {getattr(self, name)}"
            for name in ("top_k", "max_frames", "rows_per_shard", "workers")
            if getattr(self, name) is not None and getattr(self, name) < 1
        ]
        problems += [f"{name} must name something" for name in ("features", "checkpoint") if not getattr(self, name)]
        problems += ["labels must not be empty"] if not self.labels.strip() else []
        problems += [
            f"{name.replace('_', '-')} must be between 0 and 1, not {getattr(self, name)}"
            for name in ("threshold", "max_failure_ratio")
            if not 0 <= getattr(self, name) <= 1
        ]
        if self.date is not None and not is_date(self.date):
            problems.append(f"date must be a day such as 2025-01-31, not {self.date!r}")
        if self.top_k * self.rows_per_shard >= MAX_LABELS:
            problems.append(f"top-k times rows-per-shard must be below {MAX_LABELS}")
        if len(set(self.checkpoint)) < len(self.checkpoint):
            problems.append("checkpoint names the same folder more than once")
        if problems:
            raise ValueError("; ".join(problems))

    def dated(self) -> ScoringConfig:
        """The same with its day, if none was given."""
        return self if self.date is not None else replace(self, date=f"{datetime.now(UTC):%Y-%m-%d}")

    def engine_config(self) -> ScoringEngineConfig:
        """How much of the machine is used."""
        return ScoringEngineConfig(workers=self.workers, address=self.address)
