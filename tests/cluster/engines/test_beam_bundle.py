"""Bundles without a pipeline: what is written, retried and handed on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.engines import beam_bundle
from cluster.engines.beam_bundle import Bundle, OutcomeBatch
from cluster.engines.beam_staging import Staging
from cluster.engines.portion_queue import PortionQueue
from cluster.engines.tasks import Done, Failed, Task
from cluster.engines.wire import unpack
from extractors.segments import Segment
from schemas.outcomes import FailureCode
from schemas.videos import Video
from tests.support.beam import batches, bundle_config
from tests.support.items import Item, ItemWorker, ScriptedWorker


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(f"{tmp_path}/staging")


@pytest.fixture
def bundle_of(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bundle]]:
    """Makes a bundle, of videos or of what else has a worker and a queue."""
    monkeypatch.setattr(beam_bundle, "WRITE_SECONDS", (600.0, 600.0))

    def make(worker: Any = None, queue: Any = None) -> Bundle:
        return Bundle(bundle_config(staging, worker, queue))

    yield make
    for processes in beam_bundle._idle.values():
        for process in processes:
            process.close()
    beam_bundle._idle.clear()


def outcomes(batch: OutcomeBatch) -> dict[str, Done[Any] | Failed]:
    found = [unpack(ScriptedWorker().outcome_type, outcome) for outcome in batch.outcomes]
    return dict(zip(batch.keys, found, strict=True))


def task(uri: str) -> Task:
    return Task(Video(uri.replace(" ", ""), uri))


def test_outcomes_are_written_when_the_bundle_ends(staging: Staging, bundle_of: Callable[..., Bundle]) -> None:
    bundle = bundle_of()
    tasks = [task(f"sleep {number}") for number in range(3)]
    assert [bundle.add(one) for one in tasks] == [[], [], []]
    assert batches(staging) == []
    assert bundle.finish() == []
    (batch,) = batches(staging)
    assert [outcome.task for outcome in outcomes(batch).values()] == tasks
    assert list(batch.keys) == [one.key for one in tasks]
    assert (batch.workers_lost, batch.retried, batch.error) == (0, (), "")


def test_outcomes_are_written_from_time_to_time(
    staging: Staging, bundle_of: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beam_bundle, "WRITE_SECONDS", (0.0, 600.0))
    bundle = bundle_of()
    bundle.add(task("sleep 1"))
    assert len(batches(staging)) == 1
    bundle._write_seconds = 600.0
    bundle.add(task("sleep 1"))
    assert batches(staging) == []
    monkeypatch.setattr(beam_bundle, "WRITE_BYTES", 1)
    bundle.add(task("sleep 2"))
    assert [len(batch.outcomes) for batch in batches(staging)] == [2]


def test_remaining_segments_are_handed_on_and_carried_out_by_themselves(
    staging: Staging, bundle_of: Callable[..., Bundle]
) -> None:
    first = task("segments 3")
    bundle = bundle_of()
    others = bundle.add(first)
    assert others == [Task(first.video, Segment(1, 3, 1)), Task(first.video, Segment(2, 3, 2))]
    bundle.finish()
    assert list(outcomes(*batches(staging))) == [first.key]
    bundle = bundle_of()
    assert [bundle.add(other) for other in others] == [[], []]
    bundle.finish()
    assert list(outcomes(*batches(staging))) == [other.key for other in others]


def test_a_chain_is_carried_out_to_its_end_whatever_it_costs(
    staging: Staging, bundle_of: Callable[..., Bundle]
) -> None:
    bundle = bundle_of()
    scripts = ("chain 4", "chain-die 4", "sleep 1")
    assert [bundle.add(task(uri)) for uri in scripts] == [[], [], []]
    assert bundle.finish() == []
    (batch,) = batches(staging)
    expected = [f"{index} {name}" for name in ("chain4", "chain-die4") for index in range(4)]
    assert sorted(batch.keys) == sorted([*expected, "0 sleep1"])
    found = outcomes(batch)
    for key in expected:
        outcome = found[key]
        assert isinstance(outcome, Done)
        assert outcome.features.text == f"{key[0]} before it"
        assert [other.index for other in outcome.others] == ([int(key[0]) + 1] if key[0] < "3" else [])
    assert found["2 chain-die4"].task.attempt == 2
    assert batch.workers_lost == 1


def test_transient_failures_wait_without_holding_others_up(staging: Staging, bundle_of: Callable[..., Bundle]) -> None:
    bundle = bundle_of()
    started = time.monotonic()
    for uri in ("busy 1", "busy 9", "sleep 1"):
        bundle.add(task(uri))
    assert set(bundle._unwritten) == {"0 sleep1"}
    bundle.finish()
    assert time.monotonic() - started > 0.4
    (batch,) = batches(staging)
    found = outcomes(batch)
    assert {key: outcome.task.attempt for key, outcome in found.items()} == {"0 busy1": 2, "0 busy9": 3, "0 sleep1": 1}
    assert isinstance(found["0 busy1"], Done)
    dead_letter = found["0 busy9"]
    assert isinstance(dead_letter, Failed)
    assert dead_letter.code is FailureCode.STORAGE
    assert set(batch.retried) == {"busy1", "busy9"}


def test_a_video_that_kills_two_processes_is_a_dead_letter(staging: Staging, bundle_of: Callable[..., Bundle]) -> None:
    bundle = bundle_of()
    for uri in ("die 1", "die 2", "sleep 1"):
        bundle.add(task(uri))
    bundle.finish()
    (batch,) = batches(staging)
    found = outcomes(batch)
    assert {key: isinstance(outcome, Done) for key, outcome in found.items()} == {
        "0 die1": True,
        "0 die2": False,
        "0 sleep1": True,
    }
    poison = found["0 die2"]
    assert isinstance(poison, Failed)
    assert (poison.code, poison.task.attempt) == (FailureCode.WORKER_DIED, 2)
    assert batch.workers_lost == 3


def test_a_portion_that_cannot_be_done_ends_the_run_with_the_reason(
    staging: Staging, bundle_of: Callable[..., Bundle]
) -> None:
    bundle = bundle_of(ItemWorker(), PortionQueue(()))
    for item in (Item(1), Item(2, "raise"), Item(3)):
        bundle.add(item)
    bundle.finish()
    (batch,) = batches(staging)
    assert batch.keys == ("1",), "what is done is written, what comes later is left"
    assert "a worker failed, through no fault of its input" in batch.error
    assert "no room for it" in batch.error


def test_nothing_is_done_where_the_driver_has_gone(
    staging: Staging, bundle_of: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beam_bundle, "WRITE_SECONDS", (0.5, 0.5))
    bundle = bundle_of()
    bundle.add(task("sleep 1"))
    staging.delete()
    started = time.monotonic()
    for uri in ("sleep 60000", "sleep 60001"):
        assert bundle.add(task(uri)) == []
    assert bundle.finish() == []
    assert time.monotonic() - started < 55  # each of them takes a minute
    assert not Path(staging.uri).exists()


def test_the_next_bundle_has_the_same_process(staging: Staging, bundle_of: Callable[..., Bundle]) -> None:
    bundle = bundle_of()
    bundle.add(task("sleep 1"))
    bundle.finish()
    again = Bundle(bundle._config)
    again.add(task("sleep 2"))
    again.finish()
    processes = {outcome.features.process for batch in batches(staging) for outcome in outcomes(batch).values()}  # type: ignore[union-attr]
    assert len(processes) == 1
