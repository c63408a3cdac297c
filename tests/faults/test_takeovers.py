"""Every moment at which a run can be suspended or killed, and overtaken: no id has two rows, and none is lost.

The code is that of the jobs. Up to three runs do the work of the same night, each in a thread that stops before every
operation on the store. The first is stopped there, and the second takes over; it is stopped, too, and the third takes
over; those that were stopped go on, in either order, or never do. On disks, in buckets that keep conditions, and in
buckets that ignore them, where the next run repairs what they let happen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, product
from pathlib import Path

import pytest

from cluster.datasets.folder import DatasetError
from cluster.storage.lease import LeaseError
from tests.support.datasets_under_watch import (
    WatchedDataset,
    in_bucket,
    in_careless_bucket,
    on_disk,
    time_in_turns,
)
from tests.support.interleaving import Actor, KilledError
from tests.support.nightly_writers import FeatureWriter, LabelWriter

STORES = {"disk": on_disk, "bucket": in_bucket, "careless": in_careless_bucket}
WRITERS = {"features": FeatureWriter(), "labels": LabelWriter()}


class Run(Actor):
    """A run of a night, which ends, or is refused, or finds that it was overtaken."""

    def __init__(self, dataset: WatchedDataset, run_id: str) -> None:
        self.dataset = dataset
        super().__init__(run_id, self.write)

    def write(self) -> None:
        """Do the night's work."""
        dataset = self.dataset
        dataset.writer.write(dataset.store.root, self.name, lambda: dataset.add_prepared(self.name), self.report)

    def report(self, ids: Sequence[str]) -> None:
        """Say that rows are committed."""
        self.dataset.reported |= dict.fromkeys(ids, self.name)

    def step(self) -> None:
        """Go on, and look at the dataset."""
        is_write = self.at_write
        super().step()
        if is_write:
            self.dataset.check_change(self.name)

    def finish(self) -> None:
        """Go on to the end, which is a proper one."""
        super().finish()
        assert isinstance(self.error, LeaseError | DatasetError | KilledError | None), self.error


@pytest.fixture(params=product(STORES, WRITERS), ids="-".join)
def dataset(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WatchedDataset]:
    """A dataset with the rows of the night before; time passes in sleep alone, and each run has its own machine."""
    time_in_turns(monkeypatch)
    kind, writer = request.param
    with STORES[kind](tmp_path) as store:
        WRITERS[writer].begin(store.root)
        yield WatchedDataset(store, WRITERS[writer], store.content())


def undisturbed(dataset: WatchedDataset) -> tuple[int, int]:
    """The operations and the writes of a run that nothing disturbs."""
    dataset.reset()
    run, steps = Run(dataset, "r1"), 0
    while not run.has_ended:
        run.step()
        steps += 1
    assert run.error is None
    dataset.check_end()
    return steps, run.writes


def last(dataset: WatchedDataset) -> None:
    """The run of the next night."""
    run = Run(dataset, "r9")
    run.finish()
    assert run.error is None, run.error
    dataset.check_end()


def test_a_run_that_is_stopped_anywhere_and_overtaken(dataset: WatchedDataset) -> None:
    steps, writes = undisturbed(dataset)
    for stop in range(1, steps) if dataset.store.is_strict else range(writes):
        dataset.reset()
        first, second = Run(dataset, "r1"), Run(dataset, "r2")
        (first.run_steps if dataset.store.is_strict else first.run_to_write)(stop)
        second.finish()
        first.finish()
        last(dataset)


def test_a_run_that_is_killed_at_any_write(dataset: WatchedDataset) -> None:
    _, writes = undisturbed(dataset)
    for stop in range(writes):
        dataset.reset()
        run = Run(dataset, "r1")
        run.run_to_write(stop)
        run.kill()
        last(dataset)


@pytest.mark.heavy
def test_a_run_that_goes_on_while_it_is_overtaken(dataset: WatchedDataset) -> None:
    _, writes = undisturbed(dataset)
    for first_stop, second_stop in product(range(writes), range(writes + 8)):
        dataset.reset()
        first, second = Run(dataset, "r1"), Run(dataset, "r2")
        first.run_to_write(first_stop)
        second.run_to_write(second_stop)
        first.finish()
        second.finish()
        last(dataset)


@pytest.mark.heavy
def test_two_runs_that_are_stopped_and_overtaken_by_a_third(dataset: WatchedDataset) -> None:
    """Afterwards the two go on in either order, or one of them does, and the other one was killed."""
    _, writes = undisturbed(dataset)
    endings = cycle([("r1", "r2"), ("r2", "r1"), ("r1",), ("r2",), ()])
    for first_stop, second_stop in product(range(1, writes), range(1, writes + 8)):
        dataset.reset()
        runs = {name: Run(dataset, name) for name in ("r1", "r2")}
        runs["r1"].run_to_write(first_stop)
        runs["r2"].run_to_write(second_stop)
        going_on = next(endings)
        for name in runs.keys() - set(going_on):
            runs[name].kill()
        Run(dataset, "r3").finish()
        for name in going_on:
            runs[name].finish()
        last(dataset)
