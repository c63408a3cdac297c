"""The index changes nothing but the time that a run takes to begin: at whatever operation its writer dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets import feature_dataset, ledger_index
from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.increment import Settled
from cluster.datasets.ledger_index import newest_index, write_index
from cluster.datasets.settled_rows import ROWS
from cluster.storage import files
from cluster.storage.lease import LeaseError
from cluster.storage.parquet import TableError
from schemas.videos import Video
from tests.support.dataset import ids
from tests.support.interleaving import KilledError
from tests.support.nightly_writers import failure, feature_row
from tests.support.nightly_writers import feature_dataset as dataset_of
from tests.support.servers import gs_bucket

PARTS = 4
VIDEOS = [Video(f"{number:02d}", "x", version="1") for number in range(12)]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few parts, and a dataset that is large from its second file on."""
    monkeypatch.setattr(feature_dataset, "FEW_FILES", 1)
    monkeypatch.setattr(feature_dataset, "PARTS", PARTS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    commit(dataset_of(str(tmp_path), "r1"), VIDEOS)
    return tmp_path


def commit(dataset: FeatureDataset, videos: list[Video], first: int = 0) -> None:
    for number in range(0, len(videos), 3):
        done = [(feature_row(video, dataset.run_id), video.version) for video in videos[number : number + 2]]
        failed = [failure(video, dataset.run_id) for video in videos[number + 2 : number + 3]]
        dataset.commit(first + number, done, failed, ())


def write(root: str | Path, run_id: str) -> None:
    with (dataset := dataset_of(str(root), run_id)).lease():
        dataset.index_ledger()


def known(root: str | Path) -> tuple[Settled, int]:
    """What is settled, part by part, and how many files had to be opened for that."""
    dataset = dataset_of(str(root), "r9")
    done, failed = {}, {}
    with closing(dataset.settled_rows(in_parts=True)) as rows:
        for number in range(PARTS):
            settled = rows.part(number).settled("1")
            assert not done.keys() & settled.done.keys()
            done |= settled.done
            failed |= settled.failed
        return Settled(done, failed), len(rows.unindexed)


def test_an_index_holds_what_the_files_hold(root: Path) -> None:
    expected = dataset_of(str(root), "r9").settled()
    assert known(root) == (expected, 8)
    write(root, "r2")
    assert known(root) == (expected, 0)
    assert sorted(path.name for path in (root / "index").rglob("*.parquet")) == [
        *(f"{number:03d}.parquet" for number in range(PARTS)),
        "r2.parquet",
    ]


def test_what_has_changed_since_is_read_from_its_file(root: Path) -> None:
    write(root, "r2")
    dataset = dataset_of(str(root), "r3")
    dataset.withdraw({"00", "04"})
    commit(dataset, [Video("12", "x", version="2"), Video("13", "x", version="2"), Video("02", "x")])
    (root / "features" / "part-r1-00006.parquet").unlink()
    found, opened = known(root)
    assert found == dataset_of(str(root), "r9").settled()
    assert opened == 4, "two ledgers that were changed, one that is new, and the new failures"


def test_a_small_dataset_has_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_dataset, "FEW_FILES", 8)
    write(root, "r2")
    assert not (root / "index").exists()


def test_an_index_that_covers_most_files_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, "r2")
    commit(dataset_of(str(root), "r3"), [Video("20", "x")])
    write(root, "r4")
    assert (root / "index" / "r2.parquet").exists()
    commit(dataset_of(str(root), "r5"), [Video("21", "x")])
    write(root, "r6")
    assert [path.name for path in (root / "index").iterdir() if path.is_file()] == ["r6.parquet"]
    assert known(root)[1] == 0


def dying(monkeypatch: pytest.MonkeyPatch, after: int) -> Iterator[int]:
    """Let whoever changes a file die before the change `after` this one."""
    left = iter(range(after))

    def before(call):
        def checked(*given: object) -> object:
            if next(left, None) is None:
                raise KilledError
            return call(*given)

        return checked

    with monkeypatch.context() as patch:
        for name in ("write_bytes", "delete", "delete_folder"):
            patch.setattr(files, name, before(getattr(files, name)))
        yield after


def test_a_writer_that_dies_at_any_change_leaves_a_dataset_that_is_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "r2")
    commit(dataset_of(str(root), "r3"), [Video("20", "x"), Video("21", "x"), Video("22", "x"), Video("23", "x")])
    expected = dataset_of(str(root), "r9").settled()
    before = {folder: ids(root, folder) for folder in ("features", "ledger", "failures")}
    for after in range(4 * PARTS):
        run_id = f"r4{after:02d}"
        for _ in dying(monkeypatch, after):
            with suppress(KilledError):
                write(root, run_id)
        assert known(root)[0] == expected
        assert {folder: ids(root, folder) for folder in before} == before
        assert newest_index(str(root / "index")) is not None
    assert newest_index(str(root / "index")).files.num_rows == 11, "the last ones have come to the end"
    commit(dataset_of(str(root), "r6"), [Video(f"3{number}", "x") for number in range(6)])
    write(root, "r7")
    assert {path.name.removesuffix(".parquet") for path in (root / "index").iterdir()} == {"r7"}
    assert known(root)[1] == 0


def test_one_who_was_overtaken_removes_nothing(root: Path) -> None:
    write(root, "r2")
    commit(dataset_of(str(root), "r3"), [Video("20", "x")])
    dataset = dataset_of(str(root), "r4")
    with dataset.lease():
        holder = (root / "lease.json").read_text()
        (root / "lease.json").write_text(holder.replace('"token": "', '"token": "another'))
        with pytest.raises(LeaseError, match="another run has taken"):
            commit(dataset, [Video("21", "x")])
        nothing = [ROWS.empty_table()] * PARTS
        with pytest.raises(LeaseError, match="another run has taken"):
            write_index(dataset.writer, str(root / "index"), "r4", ledger_index.INDEXED.empty_table(), nothing)
    assert (root / "index" / "r2.parquet").exists()
    assert known(root)[0] == dataset_of(str(root), "r9").settled(), "an index of nothing adds and takes nothing"


def test_an_index_in_a_bucket() -> None:
    with gs_bucket() as bucket:
        commit(dataset_of(f"{bucket}/out", "r1"), VIDEOS)
        write(f"{bucket}/out", "r2")
        write(f"{bucket}/out", "r3")
        assert known(f"{bucket}/out") == (dataset_of(f"{bucket}/out", "r9").settled(), 0)


def test_the_table_of_files_names_each_with_its_version(root: Path) -> None:
    write(root, "r2")
    table = pq.read_table(root / "index" / "r2.parquet")
    assert table.schema.remove_metadata() == ledger_index.INDEXED
    assert table["uri"].to_pylist()[0] == "ledger/part-r1-00000.parquet"
    assert all(table["version"].to_pylist())
    assert set(table["revision"].to_pylist()) == {"1", None}


def test_a_damaged_index_counts_no_more(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = dataset_of(str(root), "r9").settled()
    write(root, "r2")
    (root / "index" / "r2.parquet").write_bytes(b"PAR1, not more")
    assert known(root) == (expected, 8)
    assert "r2.parquet is damaged, and all ledgers are read instead" in caplog.text
    write(root, "r3")
    assert (known(root), sorted(path.stem for path in (root / "index").iterdir())) == ((expected, 0), ["r3", "r3"])


def test_an_index_that_a_store_does_not_give_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = dataset_of(str(root), "r9").settled()
    write(root, "r2")

    def refused(uri: str) -> pa.Table:
        raise TimeoutError(110, "no answer", uri)

    with monkeypatch.context() as patch:
        found = newest_index(str(root / "index"))
        patch.setattr("cluster.datasets.ledger_index.read_table", refused)
        assert found is not None
        with pytest.raises(TimeoutError):
            found.part(0)
    assert known(root) == (expected, 0)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"PAR1, not more")])
def test_a_damaged_part_of_an_index_is_told_once(root: Path, damage: Callable[[Path], object]) -> None:
    expected = dataset_of(str(root), "r9").settled()
    write(root, "r2")
    damage(root / "index" / "r2" / "002.parquet")
    with pytest.raises(TableError, match="the index r2 was damaged and is removed: run again"):
        known(root)
    assert known(root) == (expected, 8)
    write(root, "r3")
    assert known(root) == (expected, 0)
