"""The runs of a day up to now, the one that is at work last, with their failures.

The counts of a run are those of the videos that it is to do, and of what its parts have done so far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cluster.nightly.parts.outcome import PartOutcome, joined
from cluster.runs.provenance import command_line
from schemas.nights import NightCost, NightCounts, NightRecord, NightRun
from schemas.records import Machine, utc_text
from schemas.runs import FailureNote


class DayRuns:
    """The runs of the day whose record is `found`, if it has one, and then the run `run_id`."""

    def __init__(self, run_id: str, machine: Machine, found: NightRecord | None) -> None:
        now = utc_text(datetime.now(UTC))
        self._before = () if found is None else found.runs
        self._failures = {} if found is None else {note.id: note for note in found.failures}
        self._to_do = NightCounts()
        self._done: list[PartOutcome] = []
        self.has_begun = False
        self.current = NightRun(
            run_id=run_id,
            status="running",
            problem="",
            started_at=now,
            finished_at=now,
            command=command_line(),
            extraction_run=None,
            scoring_run=None,
            machine=machine,
            counts=NightCounts(),
            cost=NightCost(),
            failures_by_code={},
        )

    @property
    def all(self) -> tuple[NightRun, ...]:
        """In their order."""
        return (*self._before, self.current)

    @property
    def failures(self) -> Mapping[str, FailureNote]:
        """The failures of all runs by id, the latest of each."""
        return {**self._failures, **joined(self._done).failures}

    @property
    def is_complete(self) -> bool:
        """Whether the last run before this one completed the day."""
        return bool(self._before) and self._before[-1].status == "completed"

    def total(self, count: str) -> int:
        """The sum of a field of the counts over all runs."""
        return sum(getattr(run.counts, count) for run in self.all)

    def ids_of(self, part: str) -> set[str]:
        """The ids of a part's runs."""
        return {run_id for run in self.all if (run_id := _id_of(run, part)) is not None}

    def begin(self, counts: NightCounts) -> None:
        """Begin the run, which is to do the new, changed and retried videos of `counts`."""
        self.has_begun, self._to_do = True, counts
        self.current = replace(self.current, counts=counts)

    def begin_part(self, part: str, run_id: str) -> None:
        """Begin a part of the run."""
        changes: dict[str, Any] = {f"{part}_run": run_id}
        self.current = replace(self.current, **changes)

    def add(self, outcome: PartOutcome) -> None:
        """Add what a part has done."""
        self._done.append(outcome)
        self.current = _with(self.current, self._to_do, joined(self._done))

    def recount(self, outcome_of: Callable[[str, str], PartOutcome | None]) -> None:
        """Count what runs that died have done: `outcome_of` a part, by its name and the id of its run.

        A run that ended has recorded the failures of those before it, and newer ones; of those after it nobody has.
        """
        runs: list[NightRun] = []
        older: dict[str, FailureNote] = {}
        newer: dict[str, FailureNote] = {}
        for run in self._before:
            if run.status == "died":
                done = joined(self._found(run, outcome_of))
                newer |= done.failures
                runs.append(_with(run, run.counts.to_do, done))
            else:
                older, newer = {**older, **newer}, {}
                runs.append(run)
        self._before = tuple(runs)
        self._failures = {**older, **self._failures, **newer}

    def end(self, status: str, problem: str, left: NightCounts) -> None:
        """End the run now; the videos that it has `left` to another run are not counted."""
        finished_at = utc_text(datetime.now(UTC))
        counts = self.current.counts.without(left)
        self.current = replace(self.current, status=status, problem=problem, finished_at=finished_at, counts=counts)

    def _found(self, run: NightRun, outcome_of: Callable[[str, str], PartOutcome | None]) -> list[PartOutcome]:
        ids = {part: run_id for part in ("extraction", "scoring") if (run_id := _id_of(run, part)) is not None}
        return [found for part, run_id in ids.items() if (found := outcome_of(part, run_id)) is not None]


def _with(run: NightRun, to_do: NightCounts, done: PartOutcome) -> NightRun:
    return replace(
        run,
        machine=done.machine or run.machine,
        counts=to_do.plus(done.counts),
        cost=done.cost,
        failures_by_code=done.failures_by_code,
    )


def _id_of(run: NightRun, part: str) -> str | None:
    found: str | None = getattr(run, f"{part}_run")
    return found
