"""What `jobs/nightly.py` can be told, and what follows from it for extraction and scoring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cluster.engines.scoring_engines import SCORING_ENGINES
from cluster.extraction.config import ExtractionConfig
from cluster.runs.command_line import option, option_of
from cluster.scoring.config import ScoringConfig
from cluster.storage.files import join
from schemas.outcomes import TRANSIENT, FailureCode


@dataclass(frozen=True)
class NightlyConfig:
    """One nightly run, by its options."""

    videos: str = option_of(ExtractionConfig, "input")
    features: str = option("where the features are, or will be: a folder or URI")
    checkpoint: tuple[str, ...] = option_of(ScoringConfig, "checkpoint")
    labels: str = option("where labels, the nights' records and report.html go: a folder or URI")
    date: str | None = option("the night's day, as YYYY-MM-DD; by default today (UTC)", None)
    weights: str = option_of(ExtractionConfig, "weights")
    pca: str = option_of(ExtractionConfig, "pca")
    audio_weights: str = option_of(ExtractionConfig, "audio_weights")
    audio_pca: str = option_of(ExtractionConfig, "audio_pca")
    fps: str = option_of(ExtractionConfig, "fps")
    sampling: str = option_of(ExtractionConfig, "sampling")
    frame_features: bool = option_of(ExtractionConfig, "frame_features")
    max_seconds: int | None = option_of(ExtractionConfig, "max_seconds")
    precision: str = option_of(ExtractionConfig, "precision")
    top_k: int = option_of(ScoringConfig, "top_k")
    threshold: float = option_of(ScoringConfig, "threshold")
    sure_from: float = option("score from which on the report counts a label as sure", 0.5)
    without_pictures: bool = option("no frames of videos on the report", False)
    engine: str = option("what carries the work out", "ray", choices=tuple(SCORING_ENGINES))
    address: str | None = option_of(ExtractionConfig, "address")
    workers: int | None = option("workers; by default one for each CPU core", None)
    time_limit: float = option_of(ExtractionConfig, "time_limit")
    memory_limit_mib: int = option_of(ExtractionConfig, "memory_limit_mib")
    cluster_wait: float = option_of(ExtractionConfig, "cluster_wait")
    retry_failed: tuple[str, ...] | None = option(
        "take up failed videos again: those with the given codes, or all; by default those that storage has failed",
        None,
        choices=tuple(FailureCode),
    )
    max_failure_ratio: float = option_of(ExtractionConfig, "max_failure_ratio")
    quiet: bool = option_of(ExtractionConfig, "quiet")
    log_format: str = option_of(ExtractionConfig, "log_format")

    def __post_init__(self) -> None:
        """Check everything, so that all that is wrong is told at once."""
        problems = [
            f"{name} must not be empty" for name in ("videos", "features", "labels") if not getattr(self, name).strip()
        ]
        if not 0 <= self.sure_from <= 1:
            problems.append(f"sure-from must be between 0 and 1, not {self.sure_from}")
        if not problems and join(self.features) == join(self.labels):
            problems.append(f"features and labels must be two places, not both {self.labels!r}")
        parts: tuple[Callable[[], object], ...] = (self.extraction, self.scoring)
        for part in parts:
            try:
                part()
            except ValueError as error:  # empty places have other names here, and are among the problems
                problems += [text for text in str(error).split("; ") if not text.startswith(("input ", "output "))]
        if problems:
            raise ValueError("; ".join(dict.fromkeys(problems)))  # the parts have some of them in common

    def dated(self) -> NightlyConfig:
        """The same with its day, if none was given."""
        return self if self.date is not None else replace(self, date=f"{datetime.now(UTC):%Y-%m-%d}")

    def extraction(self) -> ExtractionConfig:
        """How features are made."""
        return ExtractionConfig(
            input=self.videos,
            output=self.features,
            retry_failed=tuple(sorted(TRANSIENT)) if self.retry_failed is None else self.retry_failed,
            **{name: getattr(self, name) for name in (*COMMON, *OF_EXTRACTION)},
        )

    def scoring(self) -> ScoringConfig:
        """How labels are given: to all that this model has never labelled."""
        return ScoringConfig(
            features=(self.features,),
            only_new=True,
            **{name: getattr(self, name) for name in (*COMMON, *OF_SCORING)},
        )


COMMON = ("engine", "address", "workers", "max_failure_ratio", "quiet", "log_format")
OF_EXTRACTION = (
    *("weights", "pca", "audio_weights", "audio_pca", "fps", "sampling", "frame_features", "max_seconds", "precision"),
    *("time_limit", "memory_limit_mib", "cluster_wait"),
)
OF_SCORING = ("checkpoint", "labels", "date", "top_k", "threshold")
