"""A dataset on some store whose every change is checked while runs take turns in writing to it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.storage import fence, file_lock, files, lease, local_files
from cluster.storage.holder import Holder
from cluster.storage.lease import Lease
from cluster.storage.local_files import TEMPORARY_SUFFIX
from tests.support.clocks import Clock
from tests.support.interleaving import before_operation
from tests.support.nightly_writers import NightlyWriter
from tests.support.shelf import shelf

TABLES: dict[bytes, pa.Table] = {}  # by content


def table_of(content: bytes) -> pa.Table:
    """A Parquet file; each is decoded once."""
    if content not in TABLES:
        TABLES[content] = pq.read_table(pa.BufferReader(content))
    return TABLES[content]


@dataclass
class Store:
    """Where a dataset is.

    content         all its files, by path below `root`
    marks           what tells files from those that were written later, even with the same bytes
    restore         makes `content` what it was
    fences_at_once  whether a run that was overtaken changes nothing more from then on, or once the next one is prepared
    is_strict       whether that holds at all
    """

    root: str
    content: Callable[[], dict[str, bytes]]
    marks: Callable[[], dict[str, str]]
    restore: Callable[[dict[str, bytes]], None]
    fences_at_once: bool
    is_strict: bool


@dataclass
class WatchedDataset:
    """A dataset, and what is known about the runs that write to it.

    owner     the run that has the lease, or had it last
    prepared  runs that have taken over completely
    reported  the run that has said of an id that its row is committed
    """

    store: Store
    writer: NightlyWriter
    initial: dict[str, bytes]
    owner: str = ""
    prepared: set[str] = field(default_factory=set)
    reported: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)

    def reset(self) -> None:
        """Begin anew."""
        self.store.restore(self.initial)
        self.owner, self.prepared, self.reported, self.before = "", set(), {}, self._marks()

    def add_prepared(self, run_id: str) -> None:
        """A run has taken over completely, unless it was overtaken itself."""
        if self.owner == run_id:
            self.prepared.add(run_id)

    def tables(self, folder: str) -> dict[str, pa.Table]:
        """The Parquet files of a folder, by path."""
        found = self.store.content().items()
        return {path: table_of(content) for path, content in found if path.startswith(f"{folder}/")}

    def ids(self, folder: str) -> list[str]:
        """Ids with repetitions, as any reader of all files of a folder sees them."""
        return sorted(name for table in self.tables(folder).values() for name in table["id"].to_pylist())

    def check_change(self, run_id: str) -> None:
        """What holds after every operation that writes."""
        lease = self.store.content().get("lease.json")
        if lease is not None:
            self.owner = Holder.from_bytes(lease).run_id
        now = self._marks()
        if now == self.before or not self.store.is_strict:
            return
        self.before = now
        ids = self.ids(self.writer.shards)
        assert len(ids) == len(set(ids)), f"{run_id} has made a row stand twice: {ids}"
        is_fenced = self.store.fences_at_once or self.owner in self.prepared
        assert run_id == self.owner or not is_fenced, f"{run_id} has changed a file of {self.owner}"

    def check_end(self) -> None:
        """What holds once the last run has ended."""
        assert (self.ids(self.writer.shards), self.ids("failures")) == (["a", "b", "c", "d"], ["e"])
        shards = self.tables(self.writer.shards)
        ledgers = {path: table["id"].to_pylist() for path, table in self.tables("ledger").items()}
        for path, table in shards.items():
            ledger = path.replace("features", "ledger") if path.startswith("features") else f"ledger/{path}"
            assert ledgers[ledger] == table["id"].to_pylist()
        rows = {row["id"]: row for table in shards.values() for row in table.to_pylist()}
        assert self.writer.is_right(rows)
        if self.store.is_strict:
            assert {name: rows[name][self.writer.maker] for name in self.reported} == self.reported

    def _marks(self) -> dict[str, str]:
        return {path: mark for path, mark in self.store.marks().items() if path.endswith(".parquet")}


@contextmanager
def in_bucket(tmp_path: Path, *, keeps_conditions: bool = True) -> Iterator[Store]:
    """A bucket, which keeps conditions or ignores them."""
    with shelf(before_operation, keeps_conditions=keeps_conditions) as objects:

        def restore(content: dict[str, bytes]) -> None:
            objects.clear()
            for path, data in content.items():
                files.write_bytes(f"shelf://bucket/out/{path}", data)

        def found() -> Iterator[tuple[str, tuple[bytes, str]]]:
            return ((path.removeprefix("bucket/out/"), stored) for path, stored in objects.items())

        yield Store(
            "shelf://bucket/out",
            content=lambda: {path: data for path, (data, _) in found()},
            marks=lambda: {path: version for path, (_, version) in found()},
            restore=restore,
            fences_at_once=False,
            is_strict=keeps_conditions,
        )


@contextmanager
def in_careless_bucket(tmp_path: Path) -> Iterator[Store]:
    """A bucket that ignores conditions."""
    with in_bucket(tmp_path, keeps_conditions=False) as store:
        yield store


@contextmanager
def on_disk(tmp_path: Path) -> Iterator[Store]:
    """A folder, with a stop before every system call that counts."""
    root = tmp_path / "out"

    def paths() -> dict[str, Path]:
        found = [path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return {str(path.relative_to(root)): path for path in found}

    def restore(content: dict[str, bytes]) -> None:
        for path in [path for path in root.rglob("*") if path.is_file()]:
            path.unlink()
        for name, data in content.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)

    def marks() -> dict[str, str]:
        status = {name: path.stat() for name, path in paths().items()}
        return {name: f"{found.st_ino} {found.st_mtime_ns}" for name, found in status.items()}

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "link", "unlink"):
            patch.setattr(os, name, _stopping(getattr(os, name), is_write=True))
        patch.setattr(files, "read_bytes", _stopping(files.read_bytes, is_write=False))
        patch.setattr(file_lock.fcntl, "flock", _stopping_at_lock(fcntl.flock))
        patch.setattr(local_files, "uuid4", _stopping_at_temporary)
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield Store(
            str(root),
            content=lambda: {name: path.read_bytes() for name, path in paths().items()},
            marks=marks,
            restore=restore,
            fences_at_once=True,
            is_strict=True,
        )


def _stopping(call: Callable[..., Any], *, is_write: bool) -> Callable[..., Any]:
    def stopped(*given: Any, **named: Any) -> Any:
        path = os.fspath(given[-1])
        if not (call.__name__ == "unlink" and path.endswith(TEMPORARY_SUFFIX)):
            before_operation(is_write, path)
        return call(*given, **named)

    return stopped


def _stopping_at_lock(flock: Callable[[Any, int], None]) -> Callable[[Any, int], None]:
    def stopped(file: Any, operation: int) -> None:
        if operation & fcntl.LOCK_EX:
            before_operation(False, file.name)
        flock(file, operation)

    return stopped


def _stopping_at_temporary() -> UUID:
    before_operation(False, "")
    return uuid4()


def time_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes in sleep alone, nobody renews a lease in the background, and each run has its own machine."""
    clock = Clock()
    for module in (lease, fence, file_lock):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(file_lock, "POLL_SECONDS", 10.0)
    monkeypatch.setattr(Lease, "_renew_until_released", lambda self: None)
    of_this_process = Holder.of_this_process
    monkeypatch.setattr(Holder, "of_this_process", lambda run_id: replace(of_this_process(run_id), machine=run_id))
