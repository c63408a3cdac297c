from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.datasets.increment import FailedBefore
from cluster.datasets.partitions import PARTS
from cluster.datasets.settled_rows import SettledFile, SettledRows, all_gone
from cluster.storage.parquet import write_table
from schemas.failures import FailureRow, failure_table
from schemas.ledger import LedgerRow, ledger_table, without_content


@pytest.fixture
def files(tmp_path: Path) -> list[SettledFile]:
    """Two ledgers, of which the earlier one has a row twice and one that is half withdrawn; a bare shard; failures."""
    tables = {
        "ledger/part-r1-0": without_content(ledger_table([LedgerRow(name, "x", "1") for name in "abc"]), {"c"}),
        "ledger/part-r2-0": ledger_table([LedgerRow(name, "x", "2") for name in "bd"], revision="2"),
        "features/part-r0-0": pa.table({"id": ["e"], "labels": [[1]]}),
        "failures/part-r1-0": failure_table([failure("a"), failure("f")]),
    }
    found = []
    for name, table in tables.items():
        uri = str(tmp_path / f"{name}.parquet")
        write_table(uri, table)
        shard = None if name.startswith("failures") else uri.replace("ledger", "features")
        found.append(SettledFile(uri, shard, "v"))
    return found


def failure(name: str) -> FailureRow:
    return FailureRow(name, "x", "read", "empty", "", 1, "r1", "1")


def shard_of(file: SettledFile) -> str:
    assert file.shard is not None
    return file.shard


def test_files_are_named_by_what_they_hold(files: list[SettledFile]) -> None:
    assert [file.name.partition("/")[0] for file in files] == ["ledger", "ledger", "features", "failures"]
    assert [file.ledger == file.uri for file in files] == [True, True, False, False]
    assert files[2].shard == files[2].uri


@pytest.mark.parametrize("count", [1, PARTS])
def test_what_a_part_says(files: list[SettledFile], count: int) -> None:
    done, failed, earlier, gone, twice, mended = {}, {}, set(), {}, {}, set()
    with closing(SettledRows(files, count)) as rows:
        rows.read()
        assert rows.revisions == ["1", "2", None, None]
        for number in range(count):
            part = rows.part(number)
            its_gone, its_twice = all_gone(part)
            gone = {uri: gone.get(uri, set()) | its_gone.get(uri, set()) for uri in {*gone, *its_gone}}
            twice |= its_twice
            part, its_mended, uris = part.without(its_gone).mended()
            assert uris == ([files[3].uri] if its_mended else [])
            mended |= its_mended
            settled = part.settled("2")
            done, failed, earlier = done | settled.done, failed | settled.failed, earlier | {*settled.earlier}
            assert part.failure_files(settled.failed.keys()) == dict.fromkeys(settled.failed, (files[3].uri,))
    assert (gone, twice) == ({shard_of(files[0]): {"b", "c"}}, {shard_of(files[0]): {"b"}})
    assert done == {"a": "1", "b": "2", "d": "2", "e": ""}
    assert (mended, earlier) == ({"a"}, {"a"})
    assert failed == {"f": FailedBefore("empty", "1", "r1")}


def test_videos_that_are_as_they_were(files: list[SettledFile]) -> None:
    with closing(SettledRows(files, 1)) as rows:
        rows.read()
        part = rows.part(0)
        ids, contents = pa.array(["d", "d", "a", "c", "f", "new"]), pa.array(["2", "3", "1", "1", "1", "1"])
        assert part.same_as(ids, contents, "2").tolist() == [True, False, False, False, False, False]
        assert part.same_as(ids, contents, "1").tolist() == [False, False, True, False, False, False]
        assert set(part.settled("2", pa.array(["d", "f"])).done) == {"d"}
        assert {shard.uri: ids for shard, ids in part.shards_with({"b", "e", "new"})} == {
            shard_of(files[0]): ["b"],
            shard_of(files[1]): ["b"],
            files[2].uri: ["e"],
        }


def test_a_dataset_without_files_says_nothing() -> None:
    for count in (1, PARTS):
        with closing(SettledRows([], count)) as rows:
            rows.read()
            part = rows.part(0)
            assert (part.settled("1").done, all_gone(part)) == ({}, ({}, {}))
            assert part.same_as(pa.array(["a"]), pa.array(["1"]), "1").tolist() == [False]
