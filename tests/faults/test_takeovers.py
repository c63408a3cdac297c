"""Every moment at which a run can be suspended or killed, and overtaken: no id has two rows, and none is lost.

The code is that of the jobs: `Lease`, `FeatureDataset`, `Sink`. Up to three runs do the same night's work, each in a
thread that stops before every operation on the store. Run 1 is stopped there, and run 2 takes over; run 2 is stopped,
too, and run 3 takes over; those that were stopped go on, in either order, or never do. On disks, in buckets that keep
conditions, and in buckets that ignore them, whose duplicates the next run repairs.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle, product
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.folder import DatasetError
from cluster.datasets.increment import RETRY_ALL, increment_of
from cluster.datasets.shard_sink import Sink
from cluster.storage import fence, file_lock, files, lease, local_files
from cluster.storage.holder import Holder
from cluster.storage.lease import Lease, LeaseError
from cluster.storage.local_files import TEMPORARY_SUFFIX
from schemas.failures import FailureRow
from schemas.features import AUDIO_DIM, FeatureRow
from schemas.videos import Video, content_of
from tests.support.clocks import Clock
from tests.support.interleaving import Actor, KilledError, before_operation
from tests.support.shelf import shelf

# `a` gets a label, `b` has changed, `c` is mended, `d` is new, `e` fails again.
VIDEOS = [
    Video("a", "in/a.mp4", ("dog",), version="1"),
    Video("b", "in/b.mp4", version="2"),
    Video("c", "in/c.mp4", version="1"),
    Video("d", "in/d.mp4", version="1"),
    Video("e", "in/e.mp4", version="1"),
]
FAILING = {"e"}
DATA = ("features", "ledger", "failures")
TABLES: dict[bytes, pa.Table] = {}  # by content


def table_of(content: bytes) -> pa.Table:
    """A Parquet file; each is decoded once."""
    if content not in TABLES:
        TABLES[content] = pq.read_table(pa.BufferReader(content))
    return TABLES[content]


@dataclass
class World:
    """A dataset on some store, and what is known about the runs that write to it.

    content   all its files, by path below the root
    owner     the run that has the lease, or had it last
    prepared  runs that have taken over completely
    reported  the run that has said of an id that its row is committed
    """

    kind: str
    root: str
    content: Callable[[], dict[str, bytes]]
    restore: Callable[[dict[str, bytes]], None]
    owner: str = ""
    prepared: set[str] = field(default_factory=set)
    reported: dict[str, str] = field(default_factory=dict)
    before: dict[str, bytes] = field(default_factory=dict)

    def start(self, run_id: str) -> Run:
        """A run that stops before its first operation."""
        return Run(self, run_id)

    def reset(self, content: dict[str, bytes]) -> None:
        """Begin anew."""
        self.restore(content)
        self.owner, self.prepared, self.reported, self.before = "", set(), {}, self.data()

    def data(self, content: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """The Parquet files."""
        content = self.content() if content is None else content
        return {path: data for path, data in content.items() if path.startswith(DATA)}

    def ids(self, folder: str) -> list[str]:
        """Ids with repetitions, as any reader of all files of a folder sees them."""
        tables = [table_of(content) for path, content in self.data().items() if path.startswith(f"{folder}/")]
        return sorted(name for table in tables for name in table["id"].to_pylist())

    def check_step(self, run_id: str) -> None:
        """What holds after every operation."""
        content = self.content()
        if "lease.json" in content:
            self.owner = Holder.from_bytes(content["lease.json"]).run_id
        now = self.data(content)
        if now == self.before or self.kind == "checks":
            return
        self.before = now
        ids = self.ids("features")
        assert len(ids) == len(set(ids)), f"{run_id} has made a row stand twice: {ids}"
        is_taken_over = self.kind == "disk" or self.owner in self.prepared
        assert run_id == self.owner or not is_taken_over, f"{run_id} has changed a file of {self.owner}"

    def check_end(self) -> None:
        """What holds once the last run has ended."""
        assert (self.ids("features"), self.ids("failures")) == (["a", "b", "c", "d"], ["e"])
        features = {path: table_of(content) for path, content in self.data().items() if path.startswith("features/")}
        for path, table in features.items():
            ledger = table_of(self.data()[path.replace("features", "ledger")])
            assert ledger["id"].to_pylist() == table["id"].to_pylist()
        rows = {row["id"]: row for table in features.values() for row in table.to_pylist()}
        assert rows["a"]["labels"] == [0]
        if self.kind != "checks":
            assert {name: rows[name]["uri"] for name in self.reported} == self.reported


class Run(Actor):
    """A run, which ends, or is refused, or finds that it was overtaken."""

    def __init__(self, world: World, run_id: str) -> None:
        self.world = world
        super().__init__(run_id, self.extract)

    def step(self) -> None:
        """Go on, and look at the dataset."""
        is_write = self._at_write
        super().step()
        if is_write:
            self.world.check_step(self.name)

    def finish(self) -> None:
        """Go on to the end, which is a proper one."""
        super().finish()
        assert isinstance(self.error, LeaseError | DatasetError | KilledError | None), self.error

    def extract(self) -> None:
        """What the job does once it has its plan."""
        dataset = open_dataset(self.world.root, self.name)
        with dataset.lease():
            settled = dataset.prepare()
            if self.world.owner == self.name:
                self.world.prepared.add(self.name)
            increment = increment_of(VIDEOS, settled, RETRY_ALL)
            dataset.withdraw(increment.replaced)
            dataset.name_classes(VIDEOS)
            dataset.annotate(VIDEOS)
            sink = Sink(dataset, 2, settled.failed.keys())
            waiting: list[str] = []
            for video in increment.pending:
                if video.id in FAILING:
                    sink.add_failure(failed(video, self.name))
                else:
                    sink.add_row(row(video, self.name), content_of(video))
                    waiting.append(video.id)
                if len(waiting) == 2:
                    self.report(waiting)
                    waiting = []
            sink.commit()
            self.report(waiting)

    def report(self, names: list[str]) -> None:
        """Say that rows are committed."""
        self.world.reported |= dict.fromkeys(names, self.name)


def open_dataset(root: str, run_id: str) -> FeatureDataset:
    return FeatureDataset(root, run_id=run_id, rgb_dim=8, frame_features=False, fingerprint={"fps": "1"})


def row(video: Video, run_id: str) -> FeatureRow:
    """A row that says in `uri` which run has made it."""
    return FeatureRow(video.id, (), np.zeros(8, np.float32), np.zeros(AUDIO_DIM, np.float32), False, 1, 1.0, run_id)


def failed(video: Video, run_id: str) -> FailureRow:
    return FailureRow(video.id, video.uri, "read", "storage", "no", 1, run_id, content_of(video))


def in_bucket(*, keeps_conditions: bool) -> Callable[[Path], Any]:
    @contextmanager
    def world(tmp_path: Path) -> Iterator[World]:
        with shelf(before_operation, keeps_conditions=keeps_conditions) as objects:

            def restore(content: dict[str, bytes]) -> None:
                objects.clear()
                for path, data in content.items():
                    files.write_bytes(f"shelf://bucket/out/{path}", data)

            def content() -> dict[str, bytes]:
                return {path.removeprefix("bucket/out/"): data for path, (data, _) in objects.items()}

            yield World("bucket" if keeps_conditions else "checks", "shelf://bucket/out", content, restore)

    return world


@contextmanager
def on_disk(tmp_path: Path) -> Iterator[World]:
    root = tmp_path / "out"

    def restore(content: dict[str, bytes]) -> None:
        for path in [path for path in root.rglob("*") if path.is_file()]:
            path.unlink()
        for path, data in content.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)

    def content() -> dict[str, bytes]:
        found = [path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return {str(path.relative_to(root)): path.read_bytes() for path in found}

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "link", "unlink"):
            patch.setattr(os, name, stopping(getattr(os, name), is_write=True))
        patch.setattr(files, "read_bytes", stopping(files.read_bytes, is_write=False))
        patch.setattr(file_lock.fcntl, "flock", stopping_at_lock(fcntl.flock))
        patch.setattr(local_files, "uuid4", stopping_before_temporary)
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield World("disk", str(root), content, restore)


def stopping(call: Callable[..., Any], *, is_write: bool) -> Callable[..., Any]:
    def stopped(*given: Any, **named: Any) -> Any:
        path = os.fspath(given[-1])
        if not (call.__name__ == "unlink" and path.endswith(TEMPORARY_SUFFIX)):
            before_operation(is_write, path)
        return call(*given, **named)

    return stopped


def stopping_before_temporary() -> UUID:
    before_operation(False, "")
    return uuid4()


def stopping_at_lock(flock: Callable[[Any, int], None]) -> Callable[[Any, int], None]:
    def stopped(file: Any, operation: int) -> None:
        if operation & fcntl.LOCK_EX:
            before_operation(False, file.name)
        flock(file, operation)

    return stopped


WORLDS = {"disk": on_disk, "bucket": in_bucket(keeps_conditions=True), "checks": in_bucket(keeps_conditions=False)}


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A dataset with the rows of an earlier run, which are there again after `reset`; time passes in sleep alone."""
    clock = Clock()
    for module in (lease, fence, file_lock):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(file_lock, "POLL_SECONDS", 10.0)
    monkeypatch.setattr(Lease, "_renew_until_released", lambda self: None)
    of_this_process = Holder.of_this_process
    monkeypatch.setattr(Holder, "of_this_process", lambda run_id: replace(of_this_process(run_id), machine=run_id))
    with WORLDS[request.param](tmp_path) as made:
        earlier = open_dataset(made.root, "r0")
        a, b, c, _, e = (replace(video, version="1") for video in VIDEOS)
        earlier.commit(
            0, [(row(video, "r0"), content_of(video)) for video in (a, b)], [failed(c, "r0"), failed(e, "r0")], ()
        )
        made.reset(made.content())
        yield made


def undisturbed(world: World, initial: dict[str, bytes]) -> tuple[int, int]:
    """The operations and the writes of a run that nothing disturbs."""
    world.reset(initial)
    run, steps = world.start("r1"), 0
    while not run.has_ended:
        run.step()
        steps += 1
    assert run.error is None
    world.check_end()
    return steps, run.writes


def last(world: World) -> None:
    """The run of the next night."""
    run = world.start("r9")
    run.finish()
    assert run.error is None, run.error
    world.check_end()


def test_a_run_that_is_stopped_anywhere_and_overtaken(world: World) -> None:
    initial = world.content()
    steps, _ = undisturbed(world, initial)
    for stop in range(1, steps):
        world.reset(initial)
        first, second = world.start("r1"), world.start("r2")
        first.run_steps(stop)
        second.finish()
        first.finish()
        last(world)


def test_a_run_that_is_killed_at_any_write(world: World) -> None:
    initial = world.content()
    _, writes = undisturbed(world, initial)
    for stop in range(writes):
        world.reset(initial)
        run = world.start("r1")
        run.run_to_write(stop)
        run.kill()
        last(world)


@pytest.mark.heavy
def test_a_run_that_goes_on_while_it_is_overtaken(world: World) -> None:
    initial = world.content()
    _, writes = undisturbed(world, initial)
    for first_stop, second_stop in product(range(writes), range(writes + 8)):
        world.reset(initial)
        first, second = world.start("r1"), world.start("r2")
        first.run_to_write(first_stop)
        second.run_to_write(second_stop)
        first.finish()
        second.finish()
        last(world)


@pytest.mark.heavy
def test_two_runs_that_are_stopped_and_overtaken_by_a_third(world: World) -> None:
    """Afterwards the two go on in either order, or one of them does, and the other one was killed."""
    initial = world.content()
    _, writes = undisturbed(world, initial)
    endings = cycle([("r1", "r2"), ("r2", "r1"), ("r1",), ("r2",), ()])
    for first_stop, second_stop in product(range(1, writes), range(1, writes + 8)):
        world.reset(initial)
        runs = {name: world.start(name) for name in ("r1", "r2")}
        runs["r1"].run_to_write(first_stop)
        runs["r2"].run_to_write(second_stop)
        going_on = next(endings)
        for name in runs.keys() - set(going_on):
            runs[name].kill()
        world.start("r3").finish()
        for name in going_on:
            runs[name].finish()
        last(world)
