"""Options of `jobs/nightly.py`, and the settings of extraction and scoring that follow from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

from cluster.engines.options import LOCAL, RAY, EngineOptions
from cluster.extraction.config import ExtractionOptions, NetworkOptions, SamplingOptions
from cluster.runs.common_options import AccessOptions, FailureOptions, FolderOptions, ReportingOptions
from cluster.runs.option import RULE, option
from cluster.runs.options import Options, attempt, options_of
from cluster.scoring.config import (
    ScoreOptions,
    ScoringEngineOptions,
    ScoringFailureOptions,
    ScoringOptions,
    ScoringSettings,
)
from cluster.storage.files import join
from schemas.outcomes import TRANSIENT, FailureCode
from schemas.records import is_date

AS_IN_DATASET = "; by default as in the feature dataset"


def as_in_dataset(group: type[Options], name: str) -> Any:
    """An option of extraction that follows from the feature dataset where it is not given."""
    rule = options_of(group)[name].rule
    return field(default=None, metadata={RULE: dataclasses.replace(rule, help=f"{rule.help}{AS_IN_DATASET}")})


@dataclass(frozen=True)
class NightlySamplingOptions(Options):
    """Which frames are sampled, and what is kept of them."""

    fps: str | None = as_in_dataset(SamplingOptions, "fps")
    frame_features: bool | None = as_in_dataset(SamplingOptions, "frame_features")
    sampling: str | None = as_in_dataset(SamplingOptions, "sampling")
    max_seconds: int | None = as_in_dataset(SamplingOptions, "max_seconds")


@dataclass(frozen=True)
class NightlyNetworkOptions(Options):
    """Weights of the networks, and how they compute."""

    weights: str | None = as_in_dataset(NetworkOptions, "weights")
    pca: str | None = as_in_dataset(NetworkOptions, "pca")
    audio_weights: str | None = as_in_dataset(NetworkOptions, "audio_weights")
    audio_pca: str | None = as_in_dataset(NetworkOptions, "audio_pca")
    precision: str | None = as_in_dataset(NetworkOptions, "precision")


@dataclass(frozen=True)
class ReportOptions(Options):
    """What the report of a night shows."""

    sure_from: float = option(0.5, help="score from which the report counts a label as confident", minimum=0, maximum=1)
    without_pictures: bool = option(False, help="leave frames of videos out of the report")


@dataclass(frozen=True)
class NightlyEngineOptions(EngineOptions):
    """Of the engines, what a nightly run offers."""

    engine: str = option(
        RAY, help="where the work runs: on a Ray cluster, or on this machine alone", choices=(RAY, LOCAL), common=True
    )
    workers: int | None = option(
        None, help="number of workers; by default one for each CPU core", minimum=1, common=True
    )
    beam_options: tuple[str, ...] = ()
    pools: str = "auto"
    embed_workers: int | None = None


@dataclass(frozen=True)
class NightlyFailureOptions(FailureOptions):
    """How failed videos are treated."""

    retry_failed: tuple[str, ...] | None = option(
        None,
        help="retry failed videos: those with the given failure codes, or all; by default those that storage failed",
        choices=tuple(FailureCode),
    )


@dataclass(frozen=True)
class NightlyOptions(Options):
    """One nightly run."""

    videos: str = option(
        help="videos: folder, glob, bucket prefix, single video, or manifest (.csv, .tsv, .jsonl, .parquet)",
        filled=True,
        common=True,
    )
    features: str = option(help="folder or URI of the feature dataset", filled=True, is_written=True, common=True)
    checkpoint: tuple[str, ...] = option(
        help="folder or URI of a trained classifier; the probabilities of several are averaged",
        filled=True,
        common=True,
    )
    labels: str = option(
        help="folder or URI of the label dataset, which also takes the nightly records and report.html",
        filled=True,
        is_written=True,
        common=True,
    )
    date: str | None = option(
        None,
        help="day of the run, as YYYY-MM-DD; by default today (UTC)",
        must_be="a day such as 2025-01-31",
        accepts=is_date,
    )
    folders: FolderOptions = field(default_factory=FolderOptions)
    access: AccessOptions = field(default_factory=AccessOptions)
    sampling: NightlySamplingOptions = field(default_factory=NightlySamplingOptions)
    networks: NightlyNetworkOptions = field(default_factory=NightlyNetworkOptions)
    scores: ScoreOptions = field(default_factory=ScoreOptions)
    report: ReportOptions = field(default_factory=ReportOptions)
    engine: NightlyEngineOptions = field(default_factory=NightlyEngineOptions)
    failures: NightlyFailureOptions = field(default_factory=NightlyFailureOptions)
    reporting: ReportingOptions = field(default_factory=ReportingOptions)

    @override
    def conflicts(self) -> list[str]:
        if join(self.features) == join(self.labels):
            return [f"features and labels must be two places, not both {self.labels!r}"]
        problems: list[str] = []
        attempt(self.extraction, problems)
        attempt(self.scoring, problems)
        return problems

    def extraction(self, recorded: Mapping[str, Any] | None = None) -> ExtractionOptions:
        """How features are extracted: as given, else as `recorded` (`cluster.extraction.recorded`)."""
        retried = self.failures.retry_failed
        options = ExtractionOptions(
            input=self.videos,
            output=self.features,
            folders=self.folders,
            access=self.access,
            engine=self.engine,
            failures=FailureOptions(
                retry_failed=tuple(sorted(TRANSIENT)) if retried is None else retried,
                max_failure_ratio=self.failures.max_failure_ratio,
            ),
            reporting=self.reporting,
        )
        given = {**vars(self.sampling), **vars(self.networks)}
        chosen = {name: value for name, value in given.items() if value is not None}
        return options.with_values(**{**(recorded or {}), **chosen})

    def scoring(self) -> ScoringOptions:
        """How the features are scored: all that this model has never labelled."""
        return ScoringOptions(
            checkpoint=self.checkpoint,
            labels=self.labels,
            features=(self.features,),
            date=self.date,
            only_new=True,
            scores=self.scores,
            engine=ScoringEngineOptions(
                engine=self.engine.engine, workers=self.engine.workers, address=self.engine.address
            ),
            failures=ScoringFailureOptions(max_failure_ratio=self.failures.max_failure_ratio),
            reporting=self.reporting,
        )

    def settings(self, recorded: Mapping[str, Any] | None = None) -> NightlySettings:
        """The options with everything resolved: today's date, and the `recorded` settings of the feature dataset."""
        date = self.date or f"{datetime.now(UTC):%Y-%m-%d}"
        dated = self.with_values(date=date)
        return NightlySettings(
            options=dated, date=date, extraction=dated.extraction(recorded), scoring=dated.scoring().settings()
        )


@dataclass(frozen=True, kw_only=True)
class NightlySettings:
    """One nightly run, resolved; `options` are those that repeat it, on any day."""

    options: NightlyOptions
    date: str
    extraction: ExtractionOptions
    scoring: ScoringSettings
