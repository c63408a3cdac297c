"""Extractions of a bucket, of partitions, of tars, and of what is read while its first videos are worked on."""

import csv
import os
import shutil
from pathlib import Path

import fsspec
import pytest

from cluster.datasets.manifest_stream import StreamedManifest
from cluster.datasets.partitions import Partition, hashes_of
from cluster.extraction.early_start import run_extraction
from cluster.runs.lifecycle import ExitCode
from cluster.storage import files
from cluster.storage.listing import list_files
from tests.support.dataset import ids, rows
from tests.support.extractions import account, config, leave_as_killed, records
from tests.support.job_server import wait_until
from tests.support.servers import gs_bucket
from tests.support.tars import pack


@pytest.mark.heavy
def test_a_bucket_gives_the_rows_of_a_folder(videos, reference):
    with gs_bucket() as bucket:
        for file in list_files(str(videos)):
            name = os.path.relpath(file.uri, videos)
            files.write_bytes(f"{bucket}/in/{name}", Path(file.uri).read_bytes())
        source, output = f"{bucket}/in", f"{bucket}/out"
        assert run_extraction(config(source, output, rows_per_shard=2, max_failure_ratio=0.3)) == ExitCode.DONE
        assert run_extraction(config(source, output)) == ExitCode.DONE
        local = Path(reference.parent / "bucket")
        fsspec.filesystem("gs").get(f"{bucket}/out/", f"{local}/", recursive=True)
    assert [account(record) for record in records(local)] == [(7, 0, 5, 2), (7, 7, 0, 0)]
    for folder in ("features", "failures"):
        found, expected = (
            [{**row, "uri": "", "run_id": "", "message": "", "content": ""} for row in rows(place, folder)]
            for place in (local, reference)
        )
        assert found == expected
    assert rows(local)[0]["uri"] == "gs://bucket/in/a.mp4"
    assert all(row["content"].startswith("etag:") for row in rows(local, "ledger"))


def test_partitions_of_a_folder_that_is_listed_meanwhile_make_the_same_rows(
    videos, reference, tmp_path, monkeypatch, log
):
    monkeypatch.setattr("cluster.datasets.manifest.FIRST_FILES", 2)
    monkeypatch.setattr("cluster.datasets.video_folder.FILES_AT_ONCE", 2)
    monkeypatch.setattr("cluster.datasets.feature_dataset.FEW_FILES", 1)
    output = tmp_path / "out"
    totals = []
    for partition in ("1/2", "2/2"):
        assert run_extraction(config(videos, output, partition=partition, max_failure_ratio=1.0)) == ExitCode.DONE
        total, done, extracted, failed = account(records(output)[-1])
        assert (total, done) == (extracted + failed, 0)
        totals.append(total)
    assert sum(totals) == 7
    assert "so far, into " in log.text
    for folder in ("features", "failures"):
        found = [row for place in (output / folder).iterdir() for row in rows(place, ".")]
        expected = [{**row, "run_id": ""} if "run_id" in row else row for row in rows(reference, folder)]
        assert sorted(({**row, "run_id": ""} if "run_id" in row else row for row in found), key=str) == sorted(
            expected, key=str
        )
    assert run_extraction(config(videos, output, partition="2/2")) == ExitCode.DONE
    assert account(records(output)[-1]) == (totals[1], totals[1], 0, 0)
    assert run_extraction(config(videos, output)) == ExitCode.BAD_INPUT
    assert "is written in 2 partitions: give framemill extract --partition 1/2 and the others" in log.text


def test_a_tar_that_cannot_be_read_counts_in_every_partition(videos, tmp_path, log):
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shutil.copy(videos / "a.mp4", folder)
    pack(folder / "0.tar", [videos / "b.mkv"], videos)
    (folder / "1.tar").write_bytes(b"no tar" * 500)
    other = 2 if Partition(1, 2).holds(hashes_of(["1.tar"]))[0] else 1
    assert run_extraction(config(folder, output, partition=f"{other}/2")) == ExitCode.TOO_MANY_FAILURES
    (record,) = records(output)
    assert (record.unread, record.counts.failed) == ((str(folder / "1.tar"),), 0)
    assert "videos are missing: 1 of the folders, links and tars could not be read, or not to the end" in log.text


def test_a_dry_run_of_a_partition_tells_what_the_run_would_label(videos, tmp_path, capsys):
    hashes = hashes_of(names := [f"video {number}" for number in range(9)])
    mine, other = (names[Partition(number, 2).holds(hashes).argmax()] for number in (1, 2))
    video, output, manifest = videos / "a.mp4", tmp_path / "out", tmp_path / "m.csv"
    options = {"partition": "1/2", "max_failure_ratio": 1.0}
    for labels in ("dog,cat", ",cat"):
        first, second = labels.split(",")
        manifest.write_text(f"id,uri,labels\n{mine},{video},{first}\n{other},{video},{second}\n")
        if not first:
            assert run_extraction(config(manifest, output, **options, dry_run=True)) == ExitCode.DONE
            assert "labels and splits of the manifest for 1 settled video\n" in capsys.readouterr().out
        assert run_extraction(config(manifest, output, **options)) == ExitCode.DONE
    assert [record.counts.relabelled for record in records(output)] == [0, 1]


@pytest.fixture
def streamed(monkeypatch):
    """Limits that a manifest of a few rows is above."""
    monkeypatch.setattr("cluster.datasets.manifest.FIRST_ROWS", 2)
    monkeypatch.setattr("cluster.datasets.manifest_stream.ROWS_AT_ONCE", 2)
    monkeypatch.setattr("cluster.datasets.feature_dataset.FEW_FILES", 1)


def test_a_manifest_that_is_read_meanwhile_makes_the_rows_of_one_that_is_read_before(videos, tmp_path, log, streamed):
    names, output = ["a.mp4", "b.mkv", "sound.mp4", "sub/c.mp4", "text.mp4"], tmp_path / "out"

    def run(labels):
        lines = [f"v{number},{videos / names[number]},{label}" for number, label in enumerate(labels)]
        (tmp_path / "m.csv").write_text("\n".join(["id,uri,labels", *lines, ""]))
        assert run_extraction(config(tmp_path / "m.csv", output, rows_per_shard=1, max_failure_ratio=1.0)) == 0
        names_of = dict(csv.reader((output / "vocabulary.csv").read_text().splitlines()))
        assert {row["id"]: ";".join(names_of[str(index)] for index in row["labels"]) for row in rows(output)} == {
            f"v{number}": label for number, label in enumerate(labels[:4])
        }

    run(["dog", "cat;dog", "", "ant", "bee"])
    assert "so far, into " in log.text
    run(["dog", "cat;dog", "", "ant", "bee"])
    run(["cat", "", "new", "ant", "bee"])
    assert [account(record) for record in records(output)] == [(5, 0, 4, 1), (5, 5, 0, 0), (5, 5, 0, 0)]
    assert [record.counts.relabelled for record in records(output)] == [0, 0, 3]
    assert "3 settled videos got the labels and splits of the manifest; 1 of them without a label now" in log.text


def test_a_problem_late_in_a_manifest_ends_the_run_and_what_is_done_is_kept(
    videos, tmp_path, log, streamed, monkeypatch
):
    manifest, output = tmp_path / "m.csv", tmp_path / "out"
    all_problems = StreamedManifest._all_problems

    def told_late(stream):
        wait_until(lambda: len(list((output / "features").iterdir())) == 2)
        return all_problems(stream)

    lines = ["id,uri,end_seconds", f"a,{videos / 'a.mp4'},", f"b,{videos / 'b.mkv'},", f"c,{videos / 'sub/c.mp4'},"]
    manifest.write_text("\n".join(["id,uri,end_seconds", *lines[1:3], ""]))
    assert run_extraction(config(manifest, output)) == ExitCode.DONE
    manifest.write_text("\n".join([*lines, "d,x.mp4,x", f"a,{videos / 'sound.mp4'},", ""]))
    with monkeypatch.context() as patch:
        patch.setattr(StreamedManifest, "_all_problems", told_late)
        assert run_extraction(config(manifest, output, rows_per_shard=1)) == ExitCode.BAD_INPUT
    assert "line 5: end_seconds must be a number of seconds" in log.text
    assert "id 'a' stands for both" in log.text
    assert ids(output) == ["a", "b", "c"]
    assert run_extraction(config(manifest, output, dry_run=True)) == ExitCode.BAD_INPUT
    manifest.write_text("\n".join([*lines, ""]))
    assert run_extraction(config(manifest, output)) == ExitCode.DONE
    assert ids(output) == ["a", "b", "c"]


def test_a_run_that_meets_a_problem_before_any_work_closes_the_record_of_a_dead_one(videos, tmp_path, streamed):
    manifest, output = tmp_path / "m.csv", tmp_path / "out"
    lines = ["id,uri,end_seconds", f"a,{videos / 'a.mp4'},", f"b,{videos / 'b.mkv'},", ""]
    manifest.write_text("\n".join(lines))
    assert run_extraction(config(manifest, output)) == ExitCode.DONE
    leave_as_killed(output)
    manifest.write_text("\n".join([*lines[:-1], "c,x.mp4,x", ""]))
    assert run_extraction(config(manifest, output)) == ExitCode.BAD_INPUT
    killed, whole = records(output)
    assert (killed.run_id, killed.status, whole.status) == ("r0", "died", "completed")


def test_a_dry_run_of_a_manifest_that_would_be_a_stream_tells_what_the_run_would_do(videos, tmp_path, capsys, streamed):
    manifest = tmp_path / "m.csv"
    for labels in ("dog,cat,", "cat,cat,ant"):
        cells = zip(("a.mp4", "b.mkv", "sub/c.mp4"), labels.split(","), strict=True)
        manifest.write_text("".join(["uri,labels\n", *(f"{videos / name},{label}\n" for name, label in cells)]))
        assert run_extraction(config(manifest, tmp_path / "out", dry_run=True)) == ExitCode.DONE
        text = capsys.readouterr().out
        assert ("labels and splits of the manifest for 2 settled videos" in text) == (labels != "dog,cat,")
        assert run_extraction(config(manifest, tmp_path / "out")) == ExitCode.DONE
    assert [record.counts.relabelled for record in records(tmp_path / "out")] == [0, 2]
