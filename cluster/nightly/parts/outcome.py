"""What a part of a night did in one run of it, and several parts together.

A video that fails in more than one part counts once, with the failure of the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from schemas.nights import NightCost, NightCounts
from schemas.records import Machine
from schemas.runs import FailureNote


@dataclass(frozen=True, kw_only=True)
class PartOutcome:
    """What a part did.

    machine           the machines that it had; None of several parts that have none
    counts            its `extracted`, `failed`, `labelled` and `unread` videos
    failed_ids        the ids of all videos that failed, and are not mended
    failures          their failures by id, of extraction the first `MAX_FAILURES`
    failures_by_code  of all
    """

    status: str = "completed"
    machine: Machine | None = None
    counts: NightCounts = field(default_factory=NightCounts)
    cost: NightCost = field(default_factory=NightCost)
    failed_ids: Collection[str] = ()
    failures: Mapping[str, FailureNote] = field(default_factory=dict)
    failures_by_code: Mapping[str, int] = field(default_factory=dict)

    def then(self, later: PartOutcome) -> PartOutcome:
        """Both together, with the status of the later one."""
        first = frozenset(self.failed_ids)
        again = [name for name in later.failed_ids if name in first]
        counts = self.counts.plus(later.counts)
        codes = Counter(self.failures_by_code)
        codes.update(later.failures_by_code)
        codes.subtract(later.failures[name].code for name in again if name in later.failures)
        return PartOutcome(
            status=later.status,
            machine=later.machine or self.machine,
            counts=replace(counts, failed=counts.failed - len(again)),
            cost=self.cost.plus(later.cost),
            failed_ids=first.union(later.failed_ids),
            failures={**later.failures, **self.failures},
            failures_by_code={code: count for code, count in codes.items() if count},
        )


def joined(outcomes: Sequence[PartOutcome]) -> PartOutcome:
    """The outcomes of parts that followed one another, together."""
    return reduce(PartOutcome.then, outcomes, PartOutcome())
