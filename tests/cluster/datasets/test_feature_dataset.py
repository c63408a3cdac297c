import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.folder import DatasetError
from cluster.datasets.increment import FailedBefore
from cluster.datasets.tables import load_table, remove_rows
from cluster.storage.files import StorageError
from cluster.storage.lease import LeaseError
from cluster.storage.parquet import TableError, write_table
from cluster.storage.writer import PlainWriter
from schemas.codes import Codes
from schemas.failures import FailureRow
from schemas.features import AUDIO_DIM, CODE_COLUMNS, SCHEMA_VERSION, FeatureRow
from schemas.ledger import without_content
from schemas.runs import RunRecord
from tests.support.servers import gs_bucket

RECORDS = Path(__file__).resolve().parents[2] / "fixtures" / "records"
FINGERPRINT = {"frames.weights": "sha256:1", "sampling.fps": "1"}


def open_dataset(root: str | Path, run_id: str = "r1", **changes: object) -> FeatureDataset:
    values = {"rgb_dim": 1024, "frame_features": False, "fingerprint": FINGERPRINT, **changes}
    return FeatureDataset(str(root), run_id=run_id, **values)


def done(name: str, version: str = "v1") -> tuple[FeatureRow, str]:
    zeros = np.zeros(1024, np.float32), np.zeros(AUDIO_DIM, np.float32)
    return FeatureRow(name, (), *zeros, False, 1, 1.0, f"in/{name}.mp4"), version


def failed(name: str, code: str = "missing") -> FailureRow:
    return FailureRow(name, f"in/{name}.mp4", "read", code, "there is no such file", 1, "r1", "v1")


def ids(root: Path, folder: str) -> list[str]:
    return sorted(name for file in (root / folder).glob("*.parquet") for name in pq.read_table(file)["id"].to_pylist())


def test_an_empty_place_holds_nothing_and_gets_nothing(tmp_path):
    settled = open_dataset(tmp_path / "out").settled()
    assert (settled.done, settled.failed) == ({}, {})
    assert os.listdir(tmp_path) == []


def test_what_is_committed_is_settled_for_the_next_run(tmp_path):
    dataset = open_dataset(tmp_path)
    dataset.commit(0, [done("b"), done("a", "v2")], [failed("c")], ())
    dataset.commit(1, [done("d")], [], ())
    dataset.commit(2, [], [failed("e", "truncated")], ())
    assert dataset.shards == 2
    assert dataset.bytes_written == sum(file.stat().st_size for file in tmp_path.glob("*/*.parquet"))
    settled = open_dataset(tmp_path, "r2").settled()
    assert settled.done == {"a": "v2", "b": "v1", "d": "v1"}
    assert settled.failed == {"c": FailedBefore("missing", "v1", "r1"), "e": FailedBefore("truncated", "v1", "r1")}
    assert sorted(path.name for path in (tmp_path / "features").iterdir()) == [
        "part-r1-00000.parquet",
        "part-r1-00001.parquet",
    ]


def test_a_shard_says_how_it_was_made(tmp_path):
    open_dataset(tmp_path, note="random weights").commit(0, [done("a")], [], ())
    metadata = pq.read_schema(tmp_path / "features/part-r1-00000.parquet").metadata
    assert metadata == {
        b"framemill.schema_version": SCHEMA_VERSION.encode(),
        b"framemill.fingerprint": b'{"frames.weights": "sha256:1", "sampling.fps": "1"}',
        b"framemill.run_id": b"r1",
        b"framemill.sampling_revision": b"1",
        b"framemill.note": b"random weights",
    }


def test_another_fingerprint_is_refused_with_every_difference(tmp_path):
    stored = {"frames.weights": f"sha256:{'0123abcd' * 8}", "sampling.fps": "1"}
    open_dataset(tmp_path, fingerprint=stored).commit(0, [done("a")], [], ())
    other = {"frames.weights": "random:0", "sound.pca": "none", "sampling.fps": "1"}
    options = {"frames.weights": "--weights"}
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path, fingerprint=other, rgb_dim=2048, frame_features=True, option_of=options).check()
    assert str(caught.value).splitlines() == [
        f"{tmp_path} was extracted with other options:",
        "  - --frame-features: no there, yes here",
        "  - --weights: sha256:0123abcd… there, random:0 here",
        "  - sound.pca: not set there, none here",
        "Give the same options, or write to another place",
    ]


def test_what_another_run_has_written_since_is_seen_under_the_lease(tmp_path):
    late = open_dataset(tmp_path, "r2", fingerprint={**FINGERPRINT, "sampling.fps": "2"})
    assert not late.check()
    open_dataset(tmp_path).commit(0, [done("a")], [], ())
    with late.lease(), pytest.raises(DatasetError, match=r"sampling\.fps: 1 there, 2 here"):
        late.prepare()


def test_a_width_or_codes_alone_are_a_difference_too(tmp_path):
    open_dataset(tmp_path).commit(0, [done("a")], [], ())
    for changes, words in (
        ({"rgb_dim": 2048}, "columns: id, labels, mean_rgb.* there, id"),
        ({"frame_features": True}, "--frame-features: no there, yes here"),
    ):
        with pytest.raises(DatasetError, match=words):
            open_dataset(tmp_path, **changes).check()


def test_a_dataset_without_the_newer_columns_goes_on_without_them(tmp_path):
    open_dataset(tmp_path).commit(0, [done("a")], [], ())
    (first,) = (tmp_path / "features").iterdir()
    write_table(str(first), pq.read_table(first).drop_columns(["tracks"]))
    again = open_dataset(tmp_path, "r2")
    again.check()
    row, content = done("b")
    again.commit(0, [(replace(row, tracks="audio 2 of 1, 2"), content)], [], ())
    schemas = [pq.read_schema(shard).remove_metadata() for shard in (tmp_path / "features").iterdir()]
    assert len(schemas) == 2
    assert schemas[0] == schemas[1]
    assert "tracks" not in schemas[0].names
    assert ids(tmp_path, "features") == ["a", "b"]
    with pytest.raises(DatasetError, match="--frame-features: no there, yes here"):
        open_dataset(tmp_path, frame_features=True).check()


def test_a_dataset_of_version_3_goes_on_with_wider_offsets(tmp_path):
    codes = (Codes.of(np.arange(dim, dtype=np.uint8)[None]) for dim in (1024, AUDIO_DIM))
    row = replace(done("a")[0], rgb=next(codes), audio=next(codes))
    open_dataset(tmp_path, frame_features=True).commit(0, [(row, "v1")], [], ())
    (first,) = (tmp_path / "features").iterdir()
    table = pq.read_table(first)
    narrow = [field.with_type(pa.list_(pa.binary())) if field.name in CODE_COLUMNS else field for field in table.schema]
    pq.write_table(table.cast(pa.schema(narrow, table.schema.metadata)), first)
    again = open_dataset(tmp_path, "r2", frame_features=True)
    again.check()
    again.commit(0, [(replace(row, id="b"), "v1")], [], ())
    both = pandas.read_parquet(tmp_path / "features")
    assert both["id"].tolist() == ["a", "b"]
    assert [list(value) for value in both["rgb"]] == [[bytes(row.rgb.vectors[0])]] * 2
    again.withdraw({"a"})
    assert ids(tmp_path, "features") == ["b"]


def test_rows_of_another_revision_of_sampling_are_told_apart(tmp_path):
    open_dataset(tmp_path).commit(0, [done("a"), done("b")], [], ())
    later = open_dataset(tmp_path, "r2", revision="2")
    later.commit(0, [done("c")], [], ())
    assert later.settled().earlier == later.prepare().earlier == {"a", "b"}
    later.withdraw({"b"})
    assert later.settled().earlier == {"a"}
    assert open_dataset(tmp_path, "r3").settled().earlier == {"c"}


def test_files_that_are_none_of_ours_are_refused(tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features/x.parquet").write_bytes(b"no Parquet")
    with pytest.raises(DatasetError, match=r"x\.parquet is no feature shard"):
        open_dataset(tmp_path).check()
    shutil.rmtree(tmp_path / "features")
    open_dataset(tmp_path).commit(0, [done("a")], [failed("b")], ())
    for folder in ("ledger", "failures"):
        file = tmp_path / folder / "part-r1-00000.parquet"
        content = file.read_bytes()
        file.write_bytes(content[:-9])
        with pytest.raises(TableError, match=rf"{folder}/part-r1-00000\.parquet cannot be read"):
            open_dataset(tmp_path).settled()
        file.write_bytes(content)


def test_a_ledger_counts_only_with_its_shard(tmp_path):
    dataset = open_dataset(tmp_path)
    dataset.commit(0, [done("a")], [], ())
    dataset.commit(1, [done("b")], [], ())
    (tmp_path / "features/part-r1-00001.parquet").unlink()  # as if the run had died in between
    assert open_dataset(tmp_path).settled().done == {"a": "v1"}
    open_dataset(tmp_path, "r2").commit(0, [done("b", "v2")], [], ())
    assert open_dataset(tmp_path).settled().done == {"a": "v1", "b": "v2"}
    assert ids(tmp_path, "features") == ["a", "b"]


def test_rows_whose_ledger_was_removed_are_not_done_again(tmp_path):
    open_dataset(tmp_path).commit(0, [done("a")], [], ())
    shutil.rmtree(tmp_path / "ledger")
    assert open_dataset(tmp_path).settled().done == {"a": ""}


def test_what_killed_writers_left_does_not_count_and_is_swept(tmp_path):
    open_dataset(tmp_path).commit(0, [done("a")], [failed("b")], ())
    (tmp_path / "index").mkdir()
    whole = sorted(tmp_path.rglob("*"))
    for folder in ("", "features", "ledger", "failures", "index"):
        (tmp_path / folder / ".0.framemill-tmp").write_bytes(b"PAR1")
    assert open_dataset(tmp_path).settled().done == {"a": "v1"}
    dataset = open_dataset(tmp_path)
    with dataset.lease():
        assert dataset.prepare().done == {"a": "v1"}
    assert sorted(tmp_path.rglob("*")) == whole


def test_withdrawn_rows_are_gone_from_what_readers_see(tmp_path):
    dataset = open_dataset(tmp_path, note="kept")
    dataset.commit(0, [done("a"), done("b")], [], ())
    dataset.commit(1, [done("c")], [], ())
    dataset.commit(2, [done("d")], [], ())
    dataset.withdraw({"b", "c", "unknown"})
    assert (ids(tmp_path, "features"), ids(tmp_path, "ledger")) == (["a", "d"], ["a", "d"])
    assert len(list((tmp_path / "features").iterdir())) == 2, "a shard without rows goes"
    assert pq.read_schema(tmp_path / "features/part-r1-00000.parquet").metadata[b"framemill.note"] == b"kept"
    assert open_dataset(tmp_path).settled().done == {"a": "v1", "d": "v1"}


def test_rows_without_a_ledger_can_be_withdrawn(tmp_path):
    dataset = open_dataset(tmp_path)
    dataset.commit(0, [done("a"), done("b")], [], ())
    shutil.rmtree(tmp_path / "ledger")
    dataset.withdraw({"b"})
    assert ids(tmp_path, "features") == ["a"]


@pytest.mark.parametrize("step", ["features", "ledger"])
def test_a_withdrawal_that_was_cut_short_is_finished(tmp_path, step):
    """A folder that cannot be written to stands in for the crash."""
    dataset = open_dataset(tmp_path)
    dataset.commit(0, [done("a"), done("b")], [], ())
    name = "part-r1-00000.parquet"
    before = {folder: (tmp_path / folder / name).read_bytes() for folder in ("features", "ledger")}
    write_table(str(tmp_path / "ledger" / name), without_content(pq.read_table(tmp_path / "ledger" / name), {"b"}))
    if step == "ledger":
        remove_rows(PlainWriter(), load_table(PlainWriter(), str(tmp_path / "features" / name)), {"b"})
    assert before["ledger"] != (tmp_path / "ledger" / name).read_bytes()
    assert open_dataset(tmp_path).settled().done == {"a": "v1"}, "half withdrawn is not done"
    assert open_dataset(tmp_path).prepare().done == {"a": "v1"}
    assert (ids(tmp_path, "features"), ids(tmp_path, "ledger")) == (["a"], ["a"])


def test_one_run_writes_at_a_time(tmp_path):
    first, second = open_dataset(tmp_path), open_dataset(tmp_path, "r2")
    with first.lease():
        with pytest.raises(LeaseError, match=r"run r1 .* is writing to this dataset"), second.lease():
            pass
        first.commit(0, [done("a")], [], ())
    with second.lease() as lease:
        assert lease.predecessors == ()
    assert sorted(os.listdir(tmp_path)) == ["features", "ledger"]


def test_a_run_that_lost_its_lease_commits_nothing(tmp_path):
    dataset = open_dataset(tmp_path)
    with dataset.lease():
        holder = (tmp_path / "lease.json").read_text()
        (tmp_path / "lease.json").write_text(re.sub(r'"token": "\w+"', '"token": "another"', holder))
        with pytest.raises(LeaseError, match="another run has taken"):
            dataset.commit(0, [done("a")], [], ())
    assert sorted(os.listdir(tmp_path)) == ["lease.json", "lease.lock"], "what is another's stays"


def test_a_failure_is_forgotten_when_a_retry_succeeds(tmp_path):
    first = open_dataset(tmp_path)
    first.commit(0, [], [failed("a"), failed("b")], ())
    first.commit(1, [], [failed("c")], ())
    second = open_dataset(tmp_path, "r2")
    second.commit(0, [done("a"), done("c")], [failed("b", "truncated")], retried=("a", "b", "c"))
    assert ids(tmp_path, "features") == ["a", "c"]
    assert ids(tmp_path, "failures") == ["b"]
    assert open_dataset(tmp_path).settled().failed == {"b": FailedBefore("truncated", "v1", "r1")}


def test_failures_that_stand_twice_keep_the_later_one(tmp_path):
    for number, (run_id, code) in enumerate([("r1", "missing"), ("r2", "empty")]):
        open_dataset(tmp_path, run_id).commit(number, [], [failed("a", code), failed(f"b{number}")], ())
    dataset = open_dataset(tmp_path, "r3")
    assert dataset.prepare().failed["a"].code == "empty"
    assert ids(tmp_path, "failures") == ["a", "b0", "b1"]
    assert ids(tmp_path, "features") == []


def test_a_failure_that_a_crash_left_beside_its_row_is_cleared(tmp_path):
    open_dataset(tmp_path).commit(0, [], [failed("a"), failed("b")], ())
    open_dataset(tmp_path, "r2").commit(0, [done("a")], [], retried=())  # as if it had died before forgetting
    assert ids(tmp_path, "failures") == ["a", "b"]
    dataset = open_dataset(tmp_path, "r3")
    dataset.settled()
    assert ids(tmp_path, "failures") == ["a", "b"], "reading writes nothing"
    settled = dataset.prepare()
    assert (settled.done, settled.failed) == ({"a": "v1"}, {"b": FailedBefore("missing", "v1", "r1")})
    assert (ids(tmp_path, "features"), ids(tmp_path, "failures")) == (["a"], ["b"])


def test_rows_that_stand_twice_are_repaired(tmp_path, caplog):
    """As a run of an earlier release left them that was overtaken in the middle of a commit."""
    open_dataset(tmp_path, "r1").commit(0, [done("a"), done("b")], [], ())
    open_dataset(tmp_path, "r2").commit(0, [done("b", "v2"), done("c")], [], ())
    assert ids(tmp_path, "features") == ["a", "b", "b", "c"]
    settled = open_dataset(tmp_path, "r3").prepare()
    assert "1 video had two rows, of which the later one stays: 'b'" in caplog.text
    assert settled.done == {"a": "v1", "b": "v2", "c": "v1"}
    assert ids(tmp_path, "features") == ids(tmp_path, "ledger") == ["a", "b", "c"]
    assert pq.read_table(tmp_path / "features" / "part-r1-00000.parquet")["id"].to_pylist() == ["a"]


def test_a_record_of_a_run_that_died_counts_its_rows(tmp_path):
    dead = open_dataset(tmp_path)
    dead.commit(0, [done("a"), done("b")], [failed("c")], ())
    record = RunRecord.from_json((RECORDS / "run.json").read_text())
    dead.write_record(replace(record, run_id="r1", status="running"))
    open_dataset(tmp_path, "r2").close_records(["r1"], lambda record: f"{record.counts.extracted} extracted")
    closed = RunRecord.from_json((tmp_path / "runs" / "r1.json").read_text())
    assert (closed.status, closed.counts.extracted, closed.counts.failed, closed.counts.shards) == ("died", 2, 1, 1)
    assert (tmp_path / "runs" / "r1.html").read_text() == "2 extracted"


def test_a_commit_that_was_cut_short_can_be_made_again(tmp_path):
    """A file stands where a folder should be, so that the commit fails after rows were written."""
    dataset = open_dataset(tmp_path)
    (tmp_path / "failures").write_bytes(b"")
    batch = ([done("a"), done("b")], [failed("c")])
    with pytest.raises(DatasetError, match=r"cannot be written to.*failures"):
        dataset.commit(0, *batch, ())
    assert ids(tmp_path, "features") == ["a", "b"]
    (tmp_path / "failures").unlink()
    dataset.commit(0, *batch, ())
    assert (ids(tmp_path, "features"), ids(tmp_path, "failures")) == (["a", "b"], ["c"])
    assert dataset.shards == 1


def test_a_place_that_cannot_be_written_is_told_before_any_work(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "file", tmp_path / "file/out"):
        dataset = open_dataset(root)
        dataset.check()
        with pytest.raises(DatasetError, match="cannot be written to"), dataset.lease():
            pass
    with pytest.raises(StorageError, match="cannot be written to"):
        open_dataset("http://127.0.0.1:1/out").check()


@pytest.mark.parametrize("name", ["talks [2024]", "a*b", "what?", "with space", "a::b", "line\nbreak"])
def test_odd_names_of_folders_are_folders(tmp_path, name):
    open_dataset(tmp_path / name).commit(0, [done("a")], [failed("b")], ())
    settled = open_dataset(tmp_path / name).settled()
    assert (settled.done, settled.failed) == ({"a": "v1"}, {"b": FailedBefore("missing", "v1", "r1")})


def test_hostile_ids_and_uris_are_data(tmp_path):
    names = ["../../a", "/etc/passwd", "line\nbreak", "x" * 4096, "\x00\x1b[31m", "é🎬"]
    rows = [(replace(done("x")[0], id=name, uri=f"in/{name}\udcff"), "") for name in names]
    open_dataset(tmp_path).commit(0, rows, [replace(failed("y"), uri="caf\udce9", message="no caf\udce9")], ())
    assert ids(tmp_path, "features") == sorted(names)
    assert set(open_dataset(tmp_path).settled().done) == set(names)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "failures",
        "features",
        "ledger",
        *["part-r1-00000.parquet"] * 3,
    ]


def test_a_bucket_is_a_dataset_too():
    with gs_bucket() as bucket:
        dataset = open_dataset(f"{bucket}/out")
        assert dataset.prepare().done == {}
        dataset.commit(0, [done("a")], [failed("b"), failed("c")], ())
        open_dataset(f"{bucket}/out", "r2").commit(0, [done("b", "v2")], [], retried=("b",))
        settled = open_dataset(f"{bucket}/out").settled()
        assert (settled.done, settled.failed) == ({"a": "v1", "b": "v2"}, {"c": FailedBefore("missing", "v1", "r1")})


def test_places_within_the_dataset(tmp_path):
    dataset = open_dataset("gs://bucket/out/")
    assert dataset.vocabulary_uri() == "gs://bucket/out/vocabulary.csv"
    assert dataset.run_uri(".json") == "gs://bucket/out/runs/r1.json"


def test_a_commit_that_was_cut_short_is_made_again_where_the_files_of_failures_are_known(tmp_path):
    open_dataset(tmp_path).commit(0, [], [failed("a")], ())
    known = {"a": (str(tmp_path / "failures" / "part-r1-00000.parquet"),)}
    for _ in range(2):  # the first has removed the file
        open_dataset(tmp_path, "r2").commit(0, [done("a")], [], known, known)
    assert (ids(tmp_path, "features"), ids(tmp_path, "failures")) == (["a"], [])
