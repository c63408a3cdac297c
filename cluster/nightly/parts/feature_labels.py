"""Labels of the features of a night: of all that the model has not labelled yet."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar

from typing_extensions import override

from classifiers.inference.base import Classifier
from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.folder import DatasetFolder
from cluster.datasets.label_dataset import LabelDataset
from cluster.engines.base import Engine
from cluster.nightly.day_runs import DayRuns
from cluster.nightly.parts.base import LabelPart
from cluster.nightly.parts.outcome import PartOutcome
from cluster.scoring.config import OF_FEATURES, ScoringSettings
from cluster.scoring.feature_scoring import FeatureScoring
from cluster.scoring.job import score
from cluster.scoring.plan import label_classes
from cluster.storage.lease import Lease, is_open
from schemas.nights import NightCost, NightCounts
from schemas.scorings import ScoringRecord


class FeatureLabels(LabelPart):
    """The labels of a feature dataset, which is read when the part is first asked whether it is due."""

    labels_of: ClassVar[str] = OF_FEATURES

    def __init__(
        self, settings: ScoringSettings, classifier: Classifier, features: FeatureDataset, engine: Engine
    ) -> None:
        self.classifier = classifier
        self.classes = label_classes(classifier, settings.options.timelines)
        self._settings, self._features, self._engine = settings, features, engine
        self._source: FeatureScoring | None = None

    @override
    def dataset(self) -> LabelDataset | None:
        return None if self._found() is None else self._found_source().plan.dataset

    @property
    @override
    def run_id(self) -> str:
        return self._found_source().plan.run_id

    @override
    def is_due(self) -> bool:
        source = self._found()
        return source is not None and (is_open(source.plan.dataset.lease_uri()) or source.is_behind())

    @override
    def start(self) -> None:
        pass  # the scoring run does, once it has the portions that are left

    @override
    def log_settled(self) -> None:
        pass  # the extraction tells of the same videos

    @override
    def lease(self) -> AbstractContextManager[Lease]:
        return self._found_source().plan.dataset.lease()

    @override
    def carry_out(self, lease: Lease) -> PartOutcome:
        return outcome(score(self._found_source(), lease))

    @override
    def outcome_of(self, run_id: str) -> PartOutcome | None:
        labels = DatasetFolder(self._settings.options.labels, run_id=run_id)
        record = labels.record_of(run_id, ScoringRecord)
        return None if record is None or record.status == "running" else outcome(record)

    @override
    def tally(self, runs: DayRuns) -> tuple[int, int]:
        counts = runs.current.counts  # of this run: a file that could not be read before is read now
        return counts.unread, counts.labelled

    def _found(self) -> FeatureScoring | None:
        """The source of the labels; None where there are no features yet."""
        if self._source is None and not self._features.is_empty():
            self._source = FeatureScoring(self._settings, self._engine)
        return self._source

    def _found_source(self) -> FeatureScoring:
        source = self._found()
        assert source is not None  # or the part would not be due
        return source


def outcome(record: ScoringRecord) -> PartOutcome:
    """What a scoring run did."""
    seconds = record.wall_seconds
    return PartOutcome(
        status=record.status,
        machine=record.machine,
        counts=NightCounts(labelled=record.counts.scored, unread=record.counts.failed),
        cost=NightCost(
            scoring_seconds=seconds,
            held_core_seconds=seconds * record.machine.cpus,
            used_core_seconds=sum(record.seconds_by_stage.values()),
            gpu_seconds=seconds * record.machine.gpus,
            bytes_written=record.counts.bytes_written,
        ),
    )
