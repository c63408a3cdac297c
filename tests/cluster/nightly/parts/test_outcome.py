"""Outcomes of parts add up, and a video that fails in two parts counts once."""

from __future__ import annotations

from cluster.nightly.parts.outcome import PartOutcome, joined
from schemas.nights import NightCost, NightCounts
from schemas.records import Machine
from schemas.runs import FailureNote

MACHINE = Machine(engine="ray", nodes=2, cpus=8, gpus=0)


def failed(name: str, code: str, stage: str = "read") -> dict[str, FailureNote]:
    return {name: FailureNote(id=name, uri=name, stage=stage, code=code, message="no", attempts=1)}


def test_no_part_is_a_completed_night_in_which_nothing_was_done() -> None:
    assert joined([]) == PartOutcome()
    assert (joined([]).status, joined([]).machine, joined([]).counts) == ("completed", None, NightCounts())


def test_parts_add_up() -> None:
    extraction = PartOutcome(
        machine=MACHINE,
        counts=NightCounts(extracted=5, failed=1),
        cost=NightCost(extraction_seconds=3.0),
        failed_ids=("a",),
        failures=failed("a", "empty"),
        failures_by_code={"empty": 1},
    )
    labels = PartOutcome(status="interrupted", counts=NightCounts(labelled=4), cost=NightCost(scoring_seconds=2.0))
    both = joined([extraction, labels])
    assert (both.status, both.machine) == ("interrupted", MACHINE)
    assert both.counts == NightCounts(extracted=5, failed=1, labelled=4)
    assert both.cost == NightCost(extraction_seconds=3.0, scoring_seconds=2.0)
    assert (dict(both.failures), both.failures_by_code) == (failed("a", "empty"), {"empty": 1})


def test_a_video_that_fails_in_both_parts_counts_once_with_its_first_failure() -> None:
    extraction = PartOutcome(
        counts=NightCounts(failed=3),
        failed_ids=("a", "b", "beyond those that are listed"),
        failures={**failed("a", "empty"), **failed("b", "damaged")},
        failures_by_code={"empty": 1, "damaged": 2},
    )
    labels = PartOutcome(
        counts=NightCounts(labelled=1, failed=3),
        failed_ids=("a", "c", "beyond those that are listed"),
        failures={
            **failed("a", "truncated", "decode"),
            **failed("c", "empty"),
            **failed("beyond those that are listed", "truncated"),
        },
        failures_by_code={"truncated": 2, "empty": 1},
    )
    both = joined([extraction, labels])
    assert both.counts == NightCounts(labelled=1, failed=4)
    assert both.failures_by_code == {"empty": 2, "damaged": 2}
    assert both.failures["a"].code == "empty"
    assert both.failures["c"].code == "empty"
    assert set(both.failed_ids) == {"a", "b", "c", "beyond those that are listed"}
