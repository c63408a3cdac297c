"""Labels of the videos of a night themselves, by a classifier of clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

from typing_extensions import override

from cluster.datasets.increment import increment_of
from cluster.datasets.label_dataset import LabelDataset
from cluster.engines.base import Engine
from cluster.nightly.day_runs import DayRuns
from cluster.nightly.parts.base import LabelPart, Standing, VideoPart, pending_counts
from cluster.nightly.parts.feature_labels import outcome
from cluster.nightly.parts.outcome import PartOutcome
from cluster.scoring.clip_plan import ClipInputs
from cluster.scoring.clip_scoring import ClipScoring
from cluster.scoring.config import OF_VIDEOS
from cluster.scoring.job import score
from cluster.storage.lease import Lease, is_open
from cluster.storage.redaction import redacted_uri
from schemas.nights import NightCounts
from schemas.runs import FailureNote
from schemas.scorings import ScoringRecord


class VideoLabels(VideoPart, LabelPart):
    """The labels of the videos of `inputs`, made with `engine`."""

    labels_of: ClassVar[str] = OF_VIDEOS

    def __init__(self, inputs: ClipInputs, engine: Engine) -> None:
        super().__init__(inputs.videos)
        self._inputs, self._engine = inputs, engine
        self._source = self._made_source()
        self.classifier, self.classes = self._source.plan.classifier, self._source.plan.classes

    @property
    @override
    def fingerprint(self) -> Mapping[str, str]:
        return self._source.plan.fingerprint

    @override
    def dataset(self) -> LabelDataset:
        return self._source.plan.dataset

    @property
    @override
    def run_id(self) -> str:
        return self._source.plan.run_id

    @override
    def is_due(self) -> bool:
        return bool(self.standing.increment.pending) or is_open(self.dataset().lease_uri())

    @override
    def start(self) -> None:
        if self.standing.increment.pending:
            self._engine.started()
        self._source = self._made_source()  # its run starts now, and not before the extraction

    @override
    def lease(self) -> AbstractContextManager[Lease]:
        return self.dataset().lease()

    @override
    def outcome_of(self, run_id: str) -> PartOutcome | None:
        record = self.dataset().record_of(run_id, ScoringRecord)
        return None if record is None or record.status == "running" else self._outcome(record)

    @override
    def tally(self, runs: DayRuns) -> tuple[int, int]:
        return self._still_failed(runs), runs.total("labelled")

    @override
    def _read_standing(self) -> Standing:
        settled = self.dataset().settled(anywhere=True)
        increment = increment_of(self.videos, settled, self._source.plan.settings.options.failures.retry_failed)
        # With another model, videos are left to do that an earlier one has labelled: they are not new.
        known = self.dataset().settled(anywhere=True, of_any_model=True) if increment.pending else settled
        return Standing(increment, settled.failed, pending_counts(increment.pending, known))

    @override
    def _carry_out(self, lease: Lease) -> PartOutcome:
        with closing(self._source):
            return self._outcome(score(self._source, lease))

    def _made_source(self) -> ClipScoring:
        inputs = replace(self._inputs, started=datetime.now(UTC))
        return ClipScoring(inputs.settings, self._engine, inputs)

    def _outcome(self, record: ScoringRecord) -> PartOutcome:
        found = outcome(record)
        rows = self.dataset().failures_of(record.run_id)
        notes = [FailureNote.of(replace(row, uri=redacted_uri(row.uri))) for row in rows]
        return replace(
            found,
            counts=NightCounts(labelled=found.counts.labelled, failed=len(notes)),
            failed_ids=[note.id for note in notes],
            failures={note.id: note for note in notes},
            failures_by_code=Counter(note.code for note in notes),
        )
