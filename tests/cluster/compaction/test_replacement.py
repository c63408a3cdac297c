"""Compaction stopped, killed or overtaken at every moment, on disks and in buckets: no row is lost, none stays twice.

The runs take turns as in `tests/faults/test_takeovers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from cluster.compaction import replacement
from cluster.compaction.config import CompactionOptions
from cluster.compaction.groups import SmallFile
from cluster.compaction.job import compact
from cluster.compaction.replacement import Replacement
from cluster.datasets.folder import DatasetError
from cluster.features.columns import read_index
from cluster.features.files import open_features
from cluster.storage.lease import LeaseError
from cluster.storage.parquet import read_table, write_table
from cluster.storage.writer import PlainWriter
from schemas.videos import content_of
from tests.support.datasets_under_watch import (
    WatchedDataset,
    in_bucket,
    in_careless_bucket,
    on_disk,
    table_of,
    time_in_turns,
)
from tests.support.interleaving import Actor, KilledError
from tests.support.nightly_writers import BEFORE, FAILED_BEFORE, FeatureWriter, failure, feature_dataset, feature_row

STORES = {"disk": on_disk, "bucket": in_bucket, "careless": in_careless_bucket}


class InThisThread:
    """A pool that stops where its caller does."""

    def __init__(self, workers: int) -> None:
        """`workers` would be threads."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """There is nothing to close."""

    def map(self, call: Callable[[Any], Any], *items: Iterable[Any]) -> list[Any]:
        """The results."""
        return list(map(call, *items))


@pytest.fixture(params=STORES)
def dataset(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WatchedDataset]:
    """The dataset of the night before, each row and each failure in a file of its own."""
    time_in_turns(monkeypatch)
    monkeypatch.setattr(replacement, "ThreadPoolExecutor", InThisThread)
    with STORES[request.param](tmp_path) as store:
        for number, video in enumerate(BEFORE):
            is_failed = video.id in FAILED_BEFORE
            rows = [] if is_failed else [(feature_row(video, "r0"), content_of(video))]
            failures = [failure(video, "r0")] if is_failed else []
            feature_dataset(store.root, "r0").commit(number, rows, failures, ())
        yield WatchedDataset(store, FeatureWriter(), store.content())


def compaction(watched: WatchedDataset, run_id: str) -> Actor:
    """A compaction."""

    def work() -> None:
        opened = feature_dataset(watched.store.root, run_id)
        with opened.lease() as held:
            compact(opened, CompactionOptions.of(output=watched.store.root), held)

    return Actor(run_id, work)


def extraction(watched: WatchedDataset, run_id: str) -> Actor:
    """The run of a night."""
    return Actor(run_id, lambda: watched.writer.write(watched.store.root, run_id, lambda: None, lambda ids: None))


def finish(actor: Actor) -> None:
    """Let it go on to a proper end."""
    actor.finish()
    assert isinstance(actor.error, LeaseError | DatasetError | KilledError | None), actor.error


def writes_of(watched: WatchedDataset, begin: Callable[[WatchedDataset, str], Actor]) -> int:
    """How many operations of a run that nothing disturbs write."""
    watched.reset()
    actor = begin(watched, "r1")
    actor.finish()
    assert actor.error is None, actor.error
    return actor.writes


def last_night(watched: WatchedDataset) -> None:
    """The run of the next night, and what holds then."""
    actor = extraction(watched, "r9")
    actor.finish()
    assert actor.error is None, actor.error
    watched.check_end()


def check_compacted(watched: WatchedDataset) -> None:
    """One file holds all rows, one all failures, and nothing has changed in them."""
    for folder in ("features", "failures"):
        (path, after), *others = [found for found in watched.tables(folder).items() if len(found[1])]
        assert not others
        assert after.to_pylist() == initial_rows(watched, folder)
        if folder == "features":
            ledger = watched.tables("ledger")[path.replace("features/", "ledger/")]
            assert ledger.to_pylist() == initial_rows(watched, "ledger")


def initial_rows(watched: WatchedDataset, folder: str) -> list[dict[str, Any]]:
    """All rows of the night before in a folder, ordered by id."""
    found = [content for path, content in watched.initial.items() if path.startswith(f"{folder}/")]
    return sorted((row for content in found for row in table_of(content).to_pylist()), key=lambda row: str(row["id"]))


def test_at_every_moment_rows_are_there_and_our_readers_see_each_once(dataset: WatchedDataset) -> None:
    dataset.reset()
    actor = compaction(dataset, "r1")
    were_twice = False
    while not actor.has_ended:
        actor.step()
        ids = dataset.ids("features")
        were_twice |= len(ids) > 2
        assert set(ids) == {"a", "b"}
        assert set(dataset.ids("failures")) == {"c", "e"}
        assert sorted(read_index(open_features([dataset.store.root])).ids) == ["a", "b"]
    assert actor.error is None
    assert were_twice
    check_compacted(dataset)
    last_night(dataset)


@pytest.mark.parametrize("again", [compaction, extraction])
def test_a_compaction_that_is_killed_at_any_write(
    dataset: WatchedDataset, again: Callable[[WatchedDataset, str], Actor]
) -> None:
    for stop in range(writes_of(dataset, compaction)):
        dataset.reset()
        actor = compaction(dataset, "r1")
        actor.run_to_write(stop)
        actor.kill()
        assert set(dataset.ids("features")) == {"a", "b"}
        assert sorted(read_index(open_features([dataset.store.root])).ids) == ["a", "b"]
        if again is compaction:
            after = compaction(dataset, "r2")
            after.finish()
            assert after.error is None, after.error
            check_compacted(dataset)
        last_night(dataset)


@pytest.mark.parametrize(
    ("first", "second"),
    [(compaction, extraction), pytest.param(extraction, compaction, marks=pytest.mark.heavy)],
)
def test_a_run_that_is_stopped_at_any_write_and_overtaken(
    dataset: WatchedDataset,
    first: Callable[[WatchedDataset, str], Actor],
    second: Callable[[WatchedDataset, str], Actor],
) -> None:
    for stop in range(1, writes_of(dataset, first)):
        dataset.reset()
        overtaken, taking = first(dataset, "r1"), second(dataset, "r2")
        overtaken.run_to_write(stop)
        finish(taking)
        before = dataset.store.marks()
        finish(overtaken)
        if dataset.store.is_strict and taking.error is None:
            changed = {path for path, mark in dataset.store.marks().items() if before.get(path) != mark}
            assert not [path for path in changed if path.endswith(".parquet")]
        last_night(dataset)


@pytest.mark.heavy
def test_a_compaction_that_goes_on_while_it_is_overtaken(dataset: WatchedDataset) -> None:
    for first_stop in range(1, writes_of(dataset, compaction), 3):
        for second_stop in range(1, 30, 3):
            dataset.reset()
            overtaken, taking = compaction(dataset, "r1"), extraction(dataset, "r2")
            overtaken.run_to_write(first_stop)
            taking.run_to_write(second_stop)
            finish(overtaken)
            finish(taking)
            last_night(dataset)


def test_a_new_file_has_a_name_that_is_free_in_its_folder(tmp_path: Path) -> None:
    dataset = feature_dataset(str(tmp_path), "r0")
    for number, video in enumerate(BEFORE):
        dataset.commit(number, [], [failure(video, "r0")], ())
    paths = [tmp_path / "failures" / f"part-r0-{number:05d}.parquet" for number in range(4)]
    taken = ["failures/part-r0-00001_0001.parquet", "features/part-r0-00003_0001.parquet"]
    replacement = Replacement(PlainWriter(), [*map(str, paths), *(f"{tmp_path}/{name}" for name in taken)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainWriter, "remove", lambda self, uri, version, emptied: Path(uri).unlink())
        for some in (paths[:2], paths[2:]):
            replacement.replace([SmallFile(str(path), None, 1, 1, "") for path in some])
    assert sorted(path.name for path in (tmp_path / "failures").iterdir()) == [
        "part-r0-00001_0002.parquet",
        "part-r0-00003_0001.parquet",
    ]


def test_shards_whose_ledgers_list_other_videos_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, video in enumerate(BEFORE):
        feature_dataset(str(tmp_path), "r0").commit(number, [(feature_row(video, "r0"), "1")], [], ())
    names = [f"part-r0-{number:05d}.parquet" for number in range(4)]
    wrong = str(tmp_path / "ledger" / names[2])
    write_table(wrong, read_table(str(tmp_path / "ledger" / names[1])))
    group = [SmallFile(str(tmp_path / "features" / name), str(tmp_path / "ledger" / name), 1, 1, "") for name in names]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainWriter, "remove", lambda self, uri, version, emptied: Path(uri).unlink())
        Replacement(PlainWriter(), []).replace(group)
    assert sorted(path.name for path in (tmp_path / "features").iterdir()) == [names[2], "part-r0-00003_0001.parquet"]
    assert "stays as it is" in caplog.text
