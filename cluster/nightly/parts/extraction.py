"""The extraction of a night: features of new and changed videos, with the settings of the feature dataset."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar

from typing_extensions import override

from cluster.engines.base import Engine
from cluster.extraction.job import extract, start
from cluster.extraction.plan import Plan
from cluster.nightly.day_runs import DayRuns
from cluster.nightly.parts.base import Standing, VideoPart, pending_counts
from cluster.nightly.parts.outcome import PartOutcome
from cluster.storage.lease import Lease, is_open
from schemas.nights import NightCost, NightCounts
from schemas.runs import RunRecord


class Extraction(VideoPart):
    """The features of a night."""

    name: ClassVar[str] = "extraction"
    explained: ClassVar[str] = "its report"

    def __init__(self, plan: Plan, engine: Engine) -> None:
        super().__init__(plan.videos)
        self.plan, self._engine = plan, engine

    @property
    @override
    def run_id(self) -> str:
        return self.plan.run_id

    @override
    def is_due(self) -> bool:
        dataset = self.plan.dataset
        is_pending = bool(self.standing.increment.pending)
        return is_pending or is_open(dataset.lease_uri()) or bool(dataset.outdated(self.plan.videos))

    @override
    def start(self) -> None:
        if self.standing.increment.pending:
            start(self.plan, self._engine)

    @override
    def lease(self) -> AbstractContextManager[Lease]:
        return self.plan.dataset.lease()

    @override
    def outcome_of(self, run_id: str) -> PartOutcome | None:
        record = self.plan.dataset.record_of(run_id, RunRecord)
        return None if record is None or record.status == "running" else self._outcome(record)

    @override
    def tally(self, runs: DayRuns) -> tuple[int, int]:
        return self._still_failed(runs), runs.total("extracted")

    @override
    def _read_standing(self) -> Standing:
        settled = self.plan.dataset.settled()
        increment = self.plan.increment(settled)
        return Standing(increment, settled.failed, pending_counts(increment.pending, settled))

    @override
    def _carry_out(self, lease: Lease) -> PartOutcome:
        return self._outcome(extract(self.plan, self._engine, lease))

    def _outcome(self, record: RunRecord) -> PartOutcome:
        counts, seconds = record.counts, record.wall_seconds
        failed = self.plan.dataset.failed() if counts.failed else {}
        return PartOutcome(
            status=record.status,
            machine=record.machine,
            counts=NightCounts(extracted=counts.extracted, failed=counts.failed),
            cost=NightCost(
                extraction_seconds=seconds,
                held_core_seconds=seconds * record.machine.cpus,
                used_core_seconds=sum(record.seconds_by_stage.values()),
                gpu_seconds=seconds * record.machine.gpus,
                bytes_read=counts.bytes_read,
                bytes_written=counts.bytes_written,
            ),
            failed_ids=[name for name, each in failed.items() if each.run_id == record.run_id],
            failures={note.id: note for note in record.failures},
            failures_by_code=record.failures_by_code,
        )
