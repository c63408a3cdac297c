"""Options of `jobs/nightly.py`, and the settings of extraction and scoring that follow from them.

What a night labels, features or videos, follows from its checkpoints (`cluster.scoring.plan.kind_of`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from typing_extensions import override

from cluster.engines.options import EngineOptions, ray_or_local_option
from cluster.extraction.config import ExtractionOptions
from cluster.nightly.feature_options import NightlyNetworkOptions, NightlySamplingOptions
from cluster.runs.common_options import (
    AccessOptions,
    FailureOptions,
    FolderOptions,
    ReportingOptions,
    read_policy,
    videos_option,
)
from cluster.runs.option import option, spelled
from cluster.runs.options import Options, attempt, options_of
from cluster.scoring.config import (
    OF_FEATURES,
    OF_VIDEOS,
    PRECISIONS,
    ClipScoringOptions,
    ScoreOptions,
    ScoringEngineOptions,
    ScoringFailureOptions,
    ScoringOptions,
    ScoringSettings,
)
from cluster.storage.files import join
from cluster.storage.read_policy import ReadPolicy
from cluster.timelines.config import TimelineOptions, sensitive_defaults
from extractors.video.media import MAX_PIXELS
from schemas.errors import InputError
from schemas.outcomes import TRANSIENT, FailureCode
from schemas.records import is_date


@dataclass(frozen=True)
class NightlyClipOptions(ClipScoringOptions):
    """How a classifier of clips looks at videos."""

    embeddings: str | None = None
    precision: str = "auto"
    max_pixels: int = MAX_PIXELS
    clip_precision: str = option("auto", help="precision of a classifier of clips", choices=PRECISIONS)


@dataclass(frozen=True)
class ReportOptions(Options):
    """What the report of a night shows."""

    sure_from: float = option(0.5, help="score from which the report counts a label as confident", minimum=0, maximum=1)
    without_pictures: bool = option(False, help="leave frames of videos out of the report")


@dataclass(frozen=True)
class NightlyEngineOptions(EngineOptions):
    """Of the engines, what a nightly run offers."""

    engine: str = ray_or_local_option()
    workers: int | None = option(
        None, help="number of workers; by default one for each CPU core", minimum=1, common=True
    )
    beam_options: tuple[str, ...] = ()


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

    videos: str = videos_option()
    checkpoint: tuple[str, ...] = option(
        help="folder or URI of a trained classifier, or its exported file (.onnx); the probabilities of several are "
        "averaged",
        filled=True,
        common=True,
    )
    labels: str = option(
        help="folder or URI of the label dataset, which also takes the nightly records and report.html",
        filled=True,
        is_written=True,
        common=True,
    )
    features: str | None = option(
        None,
        help="folder or URI of the feature dataset; a classifier of clips needs none, and labels the videos themselves",
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
    clips: NightlyClipOptions = field(default_factory=NightlyClipOptions)
    timelines: TimelineOptions = field(default_factory=TimelineOptions)
    report: ReportOptions = field(default_factory=ReportOptions)
    engine: NightlyEngineOptions = field(default_factory=NightlyEngineOptions)
    failures: NightlyFailureOptions = field(default_factory=NightlyFailureOptions)
    reporting: ReportingOptions = field(default_factory=ReportingOptions)

    @classmethod
    @override
    def implied(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return sensitive_defaults(given)

    @override
    def conflicts(self) -> list[str]:
        if self.features is not None and join(self.features) == join(self.labels):
            return [f"features and labels must be two places, not both {self.labels!r}"]
        problems: list[str] = []
        if self.features is not None:
            attempt(self.extraction, problems)
        kinds = (OF_VIDEOS,) if self.features is None else (OF_FEATURES, OF_VIDEOS)
        refused: list[list[str]] = [[] for _ in kinds]
        for kind, its in zip(kinds, refused, strict=True):
            attempt(partial(self.scoring, kind), its)
        return [*problems, *(problem for problem in refused[0] if all(problem in its for its in refused))]

    @property
    def policy(self) -> ReadPolicy:
        """How far the reading of videos goes."""
        return read_policy(self.folders, self.access)

    def misplaced(self, kind: str) -> list[str]:
        """What is wrong with these options for checkpoints that label `kind`."""
        if kind == OF_VIDEOS:
            return []
        checkpoints = ", ".join(self.checkpoint)
        problems = [f"{checkpoints} takes features: give --features"] if self.features is None else []
        given = [name for name in options_of(NightlyClipOptions) if name not in self.clips.unchanged()]
        return problems + [
            f"--{spelled(name)} goes with a classifier of clips; {checkpoints} takes features" for name in given
        ]

    def extraction(self, recorded: Mapping[str, Any] | None = None) -> ExtractionOptions:
        """How features are extracted, where any are: as given, else as `recorded` (`cluster.extraction.recorded`)."""
        assert self.features is not None
        options = ExtractionOptions(
            input=self.videos,
            output=self.features,
            folders=self.folders,
            access=self.access,
            engine=self.engine,
            failures=FailureOptions(retry_failed=self._retried, max_failure_ratio=self.failures.max_failure_ratio),
            reporting=self.reporting,
        )
        given = {**vars(self.sampling), **vars(self.networks)}
        chosen = {name: value for name, value in given.items() if value is not None}
        return options.with_values(**{**(recorded or {}), **chosen})

    def scoring(self, kind: str) -> ScoringOptions:
        """How features or videos are labelled: all that this model has never labelled."""
        engine, ratio = self.engine, self.failures.max_failure_ratio
        shared: dict[str, Any] = {
            "checkpoint": self.checkpoint,
            "labels": self.labels,
            "date": self.date,
            "only_new": True,
            "scores": self.scores,
            "timelines": self.timelines,
            "reporting": self.reporting,
        }
        if kind == OF_FEATURES:
            assert self.features is not None
            return ScoringOptions(
                features=(self.features,),
                engine=ScoringEngineOptions(engine=engine.engine, workers=engine.workers, address=engine.address),
                failures=ScoringFailureOptions(max_failure_ratio=ratio),
                **shared,
            )
        return ScoringOptions(
            videos=self.videos,
            folders=self.folders,
            access=self.access,
            clips=ClipScoringOptions(
                views=self.clips.views,
                crops=self.clips.crops,
                precision=self.clips.clip_precision,
                backend=self.clips.backend,
            ),
            engine=ScoringEngineOptions(**vars(engine)),
            failures=ScoringFailureOptions(retry_failed=self._retried, max_failure_ratio=ratio),
            **shared,
        )

    def settings(self, kind: str, recorded: Mapping[str, Any] | None = None) -> NightlySettings:
        """The options with everything resolved: today's date, and the `recorded` settings of the feature dataset.

        Raises `InputError` where they do not go with checkpoints that label `kind`.
        """
        problems = self.misplaced(kind)
        if problems:
            raise InputError(*problems)
        date = self.date or f"{datetime.now(UTC):%Y-%m-%d}"
        dated = self.with_values(date=date)
        return NightlySettings(
            options=dated,
            date=date,
            extraction=None if self.features is None else dated.extraction(recorded),
            scoring=dated.scoring(kind).settings(),
        )

    @property
    def _retried(self) -> tuple[str, ...]:
        """The codes of failures that are tried again."""
        given = self.failures.retry_failed
        return tuple(sorted(TRANSIENT)) if given is None else given


@dataclass(frozen=True, kw_only=True)
class NightlySettings:
    """One nightly run, resolved.

    options     those that repeat it, on any day
    extraction  of features, where any are wanted
    """

    options: NightlyOptions
    date: str
    extraction: ExtractionOptions | None
    scoring: ScoringSettings
