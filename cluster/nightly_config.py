"""What `jobs/nightly.py` can be told, and what follows from it for extraction and scoring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cluster.command_line import option
from cluster.extraction_config import ExtractionConfig
from cluster.scoring_config import ScoringConfig
from cluster.scoring_engines import SCORING_ENGINES
from cluster.storage import join
from extractors.extract import SAMPLINGS
from extractors.precision import PRECISIONS
from schemas.outcomes import TRANSIENT, FailureCode


@dataclass(frozen=True)
class NightlyConfig:
    """One nightly run, by its options."""

    videos: str = option("folder, glob, bucket prefix, video, or manifest (.csv, .jsonl, .parquet)")
    features: str = option("where the features are, or will be: a folder or URI")
    checkpoint: tuple[str, ...] = option("folder of a trained classifier; the probabilities of several are averaged")
    labels: str = option("where labels, the nights' records and report.html go: a folder or URI")
    date: str | None = option("the night's day, as YYYY-MM-DD; by default today (UTC)", None)
    weights: str = option(
        "Inception: inception-2015, inception-imagenet, a path, a URI, or random:SEED", "inception-2015"
    )
    pca: str = option("of picture features: yt8m, a path, a URI, random:SEED, or none for all 2048", "yt8m")
    audio_weights: str = option("VGGish: vggish, a path, a URI, or random:SEED", "vggish")
    audio_pca: str = option("of sound features: vggish, a path, a URI, random:SEED, or none", "vggish")
    fps: str = option("frames a second that are looked at, such as 1, 0.5 or 30000/1001", "1")
    sampling: str = option(
        "exact, or keyframes: faster, the nearest key frame before stands for the frame that is wanted",
        "exact",
        choices=SAMPLINGS,
    )
    frame_features: bool = option("keep the 8-bit features of every frame beside the means", False)
    max_seconds: int | None = option("use only the first seconds of each video (YouTube-8M used 360)", None)
    precision: str = option("of the networks", "auto", choices=("auto", *PRECISIONS))
    top_k: int = option("labels a video, at most", 20)
    threshold: float = option("leave out labels with a lower score", 0.0)
    sure_from: float = option("score from which on the report counts a label as sure", 0.5)
    without_pictures: bool = option("no frames of videos on the report", False)
    engine: str = option("what carries the work out", "ray", choices=tuple(SCORING_ENGINES))
    address: str | None = option("of a Ray cluster; by default RAY_ADDRESS, or a new one on this machine", None)
    workers: int | None = option("workers; by default one for each CPU core", None)
    time_limit: float = option("seconds that one segment of a video may take", 900.0)
    memory_limit_mib: int = option("MiB that one segment of a video may take beyond the networks", 3072)
    cluster_wait: float = option("seconds for which a Ray cluster may have no CPU core at all", 600.0)
    retry_failed: tuple[str, ...] | None = option(
        "take up failed videos again: those with the given codes, or all; by default those that storage has failed",
        None,
        choices=tuple(FailureCode),
    )
    max_failure_ratio: float = option("exit with 3 if more of the videos than this have failed", 0.1)
    quiet: bool = option("no progress", False)
    log_format: str = option("of progress on a server", "text", choices=("text", "json"))

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
