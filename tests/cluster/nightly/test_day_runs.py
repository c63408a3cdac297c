"""The runs of a day: those before, those that were killed, and the one at work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.nightly.day_runs import DayRuns
from cluster.nightly.parts.outcome import PartOutcome
from schemas.nights import NightCost, NightCounts
from schemas.records import Machine
from schemas.runs import FailureNote
from tests.support.nights import night_of, run_of

HERE, THERE = Machine(engine="local", nodes=1, cpus=2, gpus=0), Machine(engine="ray", nodes=3, cpus=9, gpus=1)


def note(name: str, code: str = "empty") -> FailureNote:
    return FailureNote(id=name, uri=name, stage="read", code=code, message="no", attempts=1)


def test_a_run_has_the_counts_of_what_it_is_to_do_and_of_what_its_parts_did() -> None:
    runs = DayRuns("r1", HERE, None)
    assert (runs.has_begun, runs.is_complete, runs.all) == (False, False, (runs.current,))
    runs.begin(NightCounts(new=3, retried=1))
    runs.begin_part("extraction", "e1")
    runs.add(
        PartOutcome(
            machine=THERE,
            counts=NightCounts(extracted=2, failed=1),
            cost=NightCost(extraction_seconds=5.0),
            failed_ids=("x",),
            failures={"x": note("x")},
            failures_by_code={"empty": 1},
        )
    )
    runs.begin_part("scoring", "s1")
    runs.add(PartOutcome(counts=NightCounts(labelled=7), cost=NightCost(scoring_seconds=1.0)))
    run = runs.current
    assert run.counts == NightCounts(new=3, retried=1, extracted=2, failed=1, labelled=7)
    assert run.cost == NightCost(extraction_seconds=5.0, scoring_seconds=1.0)
    assert (run.machine, run.failures_by_code, run.status) == (THERE, {"empty": 1}, "running")
    assert (runs.ids_of("extraction"), runs.ids_of("scoring")) == ({"e1"}, {"s1"})
    assert list(runs.failures) == ["x"]
    runs.end("interrupted", "", NightCounts(new=2))
    assert (runs.current.status, runs.current.counts.new, runs.current.counts.retried) == ("interrupted", 1, 1)


def test_a_day_goes_on_with_its_earlier_runs() -> None:
    earlier = (run_of(run_id="r0", extraction_run="e0", scoring_run=None), run_of(run_id="r1", extraction_run="e1"))
    runs = DayRuns("r2", HERE, night_of(runs=earlier))
    assert runs.is_complete
    assert [run.run_id for run in runs.all] == ["r0", "r1", "r2"]
    assert runs.ids_of("extraction") == {"e0", "e1"}
    assert runs.total("extracted") == 18
    assert list(runs.failures) == ["bad"]
    failed = DayRuns("r2", HERE, night_of(runs=(*earlier, run_of(status="failed"))))
    assert not failed.is_complete


def test_runs_that_died_count_what_their_parts_had_done_and_no_others() -> None:
    dead = run_of(status="died", counts=NightCounts(new=2), failures_by_code={}, cost=NightCost())
    earlier = (
        replace(dead, run_id="r0", extraction_run="e0", scoring_run="s0"),
        replace(dead, run_id="r1", extraction_run="never recorded", scoring_run=None),
        run_of(run_id="r2", extraction_run="e2", scoring_run="s2"),
    )
    done = {
        ("extraction", "e0"): PartOutcome(counts=NightCounts(extracted=4, failed=1), failed_ids=("x",)),
        ("scoring", "s0"): PartOutcome(
            counts=NightCounts(labelled=3, failed=2), failed_ids=("x", "y"), failures={"y": note("y")}
        ),
    }
    runs = DayRuns("r3", HERE, night_of(runs=earlier))
    for _ in range(2):  # however often they are counted
        runs.recount(lambda part, run_id: done.get((part, run_id)))
        first, second, third, _ = runs.all
        assert first.counts == NightCounts(new=2, extracted=4, failed=2, labelled=3)
        assert second.counts == NightCounts(new=2)
        assert third == earlier[2]
    assert set(runs.failures) == {"bad", "y"}


def failing(code: str) -> PartOutcome:
    return PartOutcome(counts=NightCounts(failed=1), failed_ids=("v",), failures={"v": note("v", code)})


def test_the_failure_of_a_video_is_that_of_this_run_and_not_of_one_that_died_before() -> None:
    died = run_of(run_id="r0", status="died", extraction_run="e0", scoring_run=None)
    runs = DayRuns("r1", HERE, night_of(runs=(died,), failures=()))
    runs.begin(NightCounts(retried=1))
    runs.add(failing("truncated"))
    for _ in range(2):  # however often they are counted
        runs.recount(lambda part, run_id: failing("storage"))
        assert runs.failures["v"].code == "truncated"


@pytest.mark.parametrize(
    ("statuses", "latest"),
    [
        (("died", "completed"), "recorded"),  # the second one's record has both
        (("died", "died", "interrupted"), "recorded"),
        (("failed", "died"), "of e1"),
        (("failed", "died", "died"), "of e2"),
        (("died", "failed", "died"), "of e2"),
    ],
    ids=str,
)
def test_the_failure_of_a_video_is_that_of_the_latest_run_before(statuses: tuple[str, ...], latest: str) -> None:
    earlier = tuple(
        run_of(run_id=f"r{place}", status=status, extraction_run=f"e{place}", scoring_run=None)
        for place, status in enumerate(statuses)
    )
    runs = DayRuns("now", HERE, night_of(runs=earlier, failures=(note("v", "recorded"),)))
    for _ in range(2):
        runs.recount(lambda part, run_id: failing(f"of {run_id}"))
        assert runs.failures["v"].code == latest


def test_failures_of_runs_that_died_are_kept_if_nobody_recorded_them() -> None:
    earlier = (
        run_of(run_id="r0", status="died", extraction_run="e0", scoring_run=None),
        run_of(run_id="r1", status="died", extraction_run="e1", scoring_run=None),
        run_of(run_id="r2", extraction_run="e2", scoring_run=None),
    )
    runs = DayRuns("now", HERE, night_of(runs=earlier, failures=()))
    runs.recount(lambda part, run_id: failing(f"of {run_id}"))
    assert runs.failures["v"].code == "of e1"
