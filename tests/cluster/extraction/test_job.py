import csv
import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.partitions import Partition, hashes_of
from cluster.engines.base import ONE_CORE
from cluster.engines.local import LocalEngine
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.early_start import run_extraction
from cluster.runs.command_line import parse
from cluster.runs.lifecycle import ExitCode
from cluster.storage import files
from cluster.storage.listing import list_files
from schemas.failures import FailureRow, failure_table
from schemas.records import Machine
from schemas.runs import RunRecord
from tests.support.dataset import ids, rows
from tests.support.engines import refuse_engine
from tests.support.folders import touch, unreadable_folder
from tests.support.servers import gs_bucket, http_files
from tests.support.tars import pack
from tests.support.videos import Clip, write_video

TINY = {"frames": 30, "width": 96, "height": 48}
WEIGHTS = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")
HOLD = "import os, sys; from cluster.storage.lease import Lease; Lease(sys.argv[1], 'r0').acquire(); os._exit(0)"
NAMES = ["a", "b", "line\nbreak", "sound", "sub/c"]


def config(source: Path | str, output: Path | str, **changes: object) -> ExtractionOptions:
    values = {**WEIGHTS, "engine": "local", "quiet": True, "segment_seconds": 1, **changes}
    return ExtractionOptions.of(input=str(source), output=str(output), **values)


def records(output: Path) -> list[RunRecord]:
    found = [RunRecord.from_json(file.read_text()) for file in (output / "runs").glob("*.json")]
    return sorted(found, key=lambda record: record.started_at)


def account(record: RunRecord) -> tuple[int, int, int, int]:
    counts = record.counts
    assert counts.unaccounted == 0
    assert (record.status, sum(record.failures_by_code.values())) == ("completed", counts.failed)
    return counts.videos_total, counts.already_done, counts.extracted, counts.failed


@pytest.fixture(autouse=True)
def log(caplog):
    """The project's log, captured whatever other tests have made of it."""
    with caplog.at_level(logging.INFO, "framemill"):
        yield caplog


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    (folder / "sub").mkdir()
    for name in ("a.mp4", "b.mkv", "line\nbreak.mp4", "sub/c.mp4"):
        write_video(folder / name, Clip(**TINY))
    write_video(folder / "sound.mp4", Clip(**TINY, sound="aac"))
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def reference(videos, tmp_path_factory):
    """What a first run leaves: five videos, two failures, two rows a shard."""
    output = tmp_path_factory.mktemp("reference") / "out [1]"
    assert run_extraction(config(videos, output, rows_per_shard=2, max_failure_ratio=0.3)) == ExitCode.DONE
    return output


@pytest.fixture
def output(reference, tmp_path):
    """A copy of that, to go on with."""
    return shutil.copytree(reference, tmp_path / "out [2]")


def test_every_video_is_a_row_or_a_failure(reference, videos):
    assert ids(reference) == NAMES
    assert {row["id"]: row["code"] for row in rows(reference, "failures")} == {"empty": "empty", "text": "not_media"}
    for row in rows(reference):
        assert (row["num_frames"], row["has_audio"]) == (2, row["id"] == "sound")
        assert row["duration_seconds"] == pytest.approx(1.2)
        assert (len(row["mean_rgb"]), len(row["mean_audio"])) == (1024, 128)
        assert np.any(row["mean_audio"]) == row["has_audio"]
        assert Path(row["uri"]).parent in (videos, videos / "sub")


def test_shards_are_of_the_size_that_was_asked_for(reference):
    shards = sorted((reference / "features").iterdir())
    assert [shard.name[-13:] for shard in shards] == [f"{number:05d}.parquet" for number in range(3)]
    assert [pq.read_metadata(shard).num_rows for shard in shards] == [2, 2, 1]
    assert sorted(path.name for path in (reference / "ledger").iterdir()) == [shard.name for shard in shards]
    (record,) = records(reference)
    assert record.counts.shards == 3


def test_the_record_accounts_for_every_id(reference):
    (record,) = records(reference)
    assert account(record) == (7, 0, 5, 2)
    assert record.counts.frames == 10
    assert record.counts.bytes_written == sum(file.stat().st_size for file in reference.glob("*/*.parquet"))
    assert {note.id for note in record.failures} == {"empty", "text"}
    assert record.configuration["rows_per_shard"] == 2
    assert record.weights_warning.startswith("random weights, as requested: ")
    assert len(record.contact_sheet) == 5
    assert (reference / "runs" / f"{record.run_id}.html").stat().st_size > 1000
    again = parse(ExtractionOptions, ["--config", str(reference / "runs" / f"{record.run_id}.toml")])
    assert json.loads(json.dumps(again.flat())) == dict(record.configuration)
    assert len(list((reference / "runs").iterdir())) == 3


def test_a_second_run_does_nothing(output, videos, log):
    before = {path: path.stat().st_mtime_ns for path in output.glob("*/*.parquet")}
    assert run_extraction(config(videos, output)) == ExitCode.DONE
    assert {path: path.stat().st_mtime_ns for path in output.glob("*/*.parquet")} == before
    assert account(records(output)[-1]) == (7, 7, 0, 0)
    assert "7 videos, 7 settled before, of them 2 failed, 0 to do" in log.text
    assert "1 × empty: 'empty' (replace them, and the next run takes them up)" in log.text
    assert "1 × not_media: 'text' (" in log.text
    assert "--retry-failed" not in log.text
    record = records(output)[-1]
    assert (record.counts.failed_before, record.machine) == (2, Machine(engine="local", nodes=0, cpus=0, gpus=0))


@pytest.mark.parametrize("address", [None, "127.0.0.1:1"], ids=["own cluster", "cluster to join"])
def test_without_work_no_engine_starts(address, output, videos, tmp_path, monkeypatch, log):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.engines.deferred.make_engine", refuse_engine)
    on_ray = config(videos, output, engine="ray", address=address)
    assert run_extraction(on_ray) == ExitCode.DONE
    assert records(output)[-1].machine == Machine(engine="ray", nodes=0, cpus=0, gpus=0)
    assert run_extraction(on_ray.with_values(dry_run=True)) == ExitCode.DONE
    assert run_extraction(on_ray.with_values(fps="2")) == ExitCode.BAD_INPUT
    assert run_extraction(on_ray.with_values(input=str(tmp_path / "none.csv"))) == ExitCode.BAD_INPUT
    with pytest.raises(AssertionError, match="an engine was started"):
        run_extraction(on_ray.with_values(output=str(tmp_path / "new")))
    assert not (tmp_path / "new" / "features").exists()


class OnGpus(LocalEngine):
    """Stands for a cluster that turns out to have GPUs."""

    def machine(self, resources=ONE_CORE):
        return replace(super().machine(resources), gpus=1)


@pytest.mark.heavy
def test_a_cluster_whose_networks_make_other_features_is_refused_once_it_is_joined(tmp_path, monkeypatch, log):
    folder, output = tmp_path / "videos", tmp_path / "out"
    folder.mkdir()
    write_video(folder / "a.mp4", Clip(**TINY))
    assert run_extraction(config(folder, output, precision="fp32")) == ExitCode.DONE
    monkeypatch.setattr(
        "extractors.networks.cpu_precision.has_cpu_bf16", lambda: False
    )  # so that auto is fp32 without GPUs
    monkeypatch.setattr("cluster.engines.deferred.make_engine", lambda options, staging: OnGpus(1))
    joining = config(folder, output, engine="ray", address="127.0.0.1:1")
    assert run_extraction(joining) == ExitCode.DONE
    write_video(folder / "b.mp4", Clip(**TINY))
    before = rows(output)
    assert run_extraction(joining) == ExitCode.BAD_INPUT
    assert "--precision: fp32 there, bf16 here" in log.text
    assert (rows(output), rows(output, "failures")) == (before, [])
    assert run_extraction(joining.with_values(precision="fp32")) == ExitCode.DONE
    assert ids(output) == ["a", "b"]


@pytest.mark.heavy
def test_rows_of_an_earlier_release_are_told_and_done_again_when_asked(videos, tmp_path, log):
    folder, output = tmp_path / "videos", tmp_path / "out"
    folder.mkdir()
    for name in ("a", "b"):
        write_video(folder / f"{name}.mp4", Clip(**TINY))
    assert run_extraction(config(folder, output)) == ExitCode.DONE
    for ledger in (output / "ledger").iterdir():  # as releases before the first revision left them
        pq.write_table(pq.read_table(ledger).replace_schema_metadata(None), ledger)
    before = rows(output)
    write_video(folder / "c.mp4", Clip(**TINY))
    assert run_extraction(config(folder, output)) == ExitCode.DONE
    assert "2 videos keep features of an earlier release" in log.text
    assert records(output)[-1].counts.earlier_release == 2
    log.clear()
    assert run_extraction(config(folder, output, redo_earlier=True)) == ExitCode.DONE
    assert account(records(output)[-1]) == (3, 1, 2, 0)
    assert [row for row in rows(output) if row["id"] != "c"] == before
    assert run_extraction(config(folder, output, redo_earlier=True)) == ExitCode.DONE
    assert account(records(output)[-1]) == (3, 3, 0, 0)
    assert "earlier release" not in log.text


def test_a_folder_as_people_have_it(videos, tmp_path, log):
    folder = tmp_path / "in"
    touch(folder, "notes.txt", ".Trash-1000/a.mp4", "trailers/b.mp4")
    for name, target in {"linked": videos / "sub", "gone.mp4": "nowhere.mp4", "unmounted": "disk"}.items():
        (folder / name).symlink_to(target)
    for name in ("a.mp4", "b.mkv"):
        shutil.copy(videos / name, folder / f"same{Path(name).suffix}")
    output = tmp_path / "out"
    with unreadable_folder(folder) as unread:
        assert (
            run_extraction(config(folder, output, exclude=("trailers",), follow_links=True, max_failure_ratio=0.5))
            == ExitCode.DONE
        )
    assert ids(output) == ["linked/c", "same.mkv", "same.mp4"]
    assert [(row["id"], row["code"]) for row in rows(output, "failures")] == [("gone", "missing")]
    (record,) = records(output)
    assert account(record) == (4, 0, 3, 1)
    assert sorted(record.unread) == sorted([str(unread), str(folder / "unmounted")])
    warnings = [entry.getMessage() for entry in log.records if entry.levelno == logging.WARNING]
    assert sum("what they hold is missing from this run" in line for line in warnings) == 1
    assert "2 folders, links or tars were not read, or not to the end: videos are missing" in warnings
    assert "not those of videos: 1 .txt" in log.text


def test_a_new_file_is_all_that_is_done(output, videos, tmp_path):
    folder = shutil.copytree(videos, tmp_path / "more")
    write_video(folder / "new.mp4", Clip(**TINY))
    before = set(output.glob("features/*"))
    assert run_extraction(config(folder, output)) == ExitCode.DONE
    assert ids(output) == sorted([*NAMES, "new"])
    assert len(set(output.glob("features/*")) - before) == 1
    assert account(records(output)[-1]) == (8, 7, 1, 0)


def test_a_replaced_video_is_done_again_and_its_old_row_is_gone(output, videos, tmp_path):
    folder = shutil.copytree(videos, tmp_path / "replaced")
    write_video(folder / "a.mp4", Clip(**{**TINY, "frames": 60}))
    before = {row["id"]: row for row in rows(output)}
    assert run_extraction(config(folder, output)) == ExitCode.DONE
    after = {row["id"]: row for row in rows(output)}
    assert ids(output) == NAMES
    assert (before["a"]["num_frames"], after["a"]["num_frames"]) == (2, 3)
    assert {name for name in NAMES if before[name] != after[name]} == {"a"}
    assert account(records(output)[-1]) == (7, 6, 1, 0)
    assert run_extraction(config(folder, output)) == ExitCode.DONE
    assert account(records(output)[-1]) == (7, 7, 0, 0)


def test_a_video_that_was_replaced_by_a_bad_one_has_no_row(output, videos, tmp_path):
    folder = shutil.copytree(videos, tmp_path / "replaced")
    (folder / "a.mp4").write_text("no video")
    assert run_extraction(config(folder, output)) == ExitCode.TOO_MANY_FAILURES
    assert ids(output) == [name for name in NAMES if name != "a"]
    assert ids(output, "failures") == ["a", "empty", "text"]


@pytest.mark.heavy
def test_replaced_videos_of_a_manifest_are_noticed(videos, tmp_path):
    folder, output = shutil.copytree(videos, tmp_path / "copies"), tmp_path / "out"
    (tmp_path / "m.csv").write_text("uri\ncopies/a.mp4\ncopies/b.mkv\n")
    assert run_extraction(config(tmp_path / "m.csv", output)) == ExitCode.DONE
    write_video(folder / "b.mkv", Clip(**{**TINY, "frames": 60}))
    assert run_extraction(config(tmp_path / "m.csv", output)) == ExitCode.DONE
    assert account(records(output)[-1]) == (2, 1, 1, 0)
    assert sorted(row["num_frames"] for row in rows(output)) == [2, 3]


def test_a_mended_failure_is_done_without_being_asked_for(output, videos, tmp_path):
    folder = shutil.copytree(videos, tmp_path / "mended")
    shutil.copy(folder / "a.mp4", folder / "text.mp4")
    assert run_extraction(config(folder, output)) == ExitCode.DONE
    assert (ids(output, "failures"), ids(output)) == (["empty"], sorted([*NAMES, "text"]))
    assert account(records(output)[-1]) == (7, 6, 1, 0)


def test_failures_are_taken_up_by_their_code(output, videos, log):
    assert run_extraction(config(videos, output, retry_failed=("truncated", "empty"))) == ExitCode.TOO_MANY_FAILURES
    assert (ids(output, "failures"), ids(output)) == (["empty", "text"], NAMES)
    assert account(records(output)[-1]) == (7, 6, 0, 1)
    assert "7 videos, 6 settled before, of them 1 failed, 1 to do" in log.text
    assert "completed: 0 videos extracted, 1 failed, 6 settled before, of them 1 failed" in log.text


def test_a_second_concurrent_run_is_refused_and_touches_nothing(output, videos, log):
    other = FeatureDataset(str(output), run_id="r9", rgb_dim=1024, frame_features=False, fingerprint={})
    with other.lease():
        before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
        assert run_extraction(config(videos, output)) == ExitCode.BAD_INPUT
        assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before
        assert run_extraction(config(videos, output, dry_run=True)) == ExitCode.DONE
    assert "run r9 (process" in log.text
    assert run_extraction(config(videos, output)) == ExitCode.DONE


def test_the_next_run_closes_the_record_of_a_dead_one(output, videos):
    """A lease and an unfinished record, as SIGKILL leaves them."""
    (whole,) = records(output)
    left = replace(whole, run_id="r0", status="running", started_at="2020-01-01T00:00:00Z")
    (output / "runs" / "r0.json").write_text(left.to_json())
    subprocess.run([sys.executable, "-c", HOLD, str(output / "lease.json")], check=True)
    assert run_extraction(config(videos, output)) == ExitCode.DONE
    assert [record.status for record in records(output)] == ["died", "completed", "completed"]
    assert "Extraction was killed" in (output / "runs" / "r0.html").read_text()
    assert not (output / "lease.json").exists()


def test_a_removed_failure_is_done_again(output, videos):
    for file in (output / "failures").iterdir():
        file.unlink()
    assert run_extraction(config(videos, output, max_failure_ratio=1.0)) == ExitCode.DONE
    assert ids(output, "failures") == ["empty", "text"]
    assert account(records(output)[-1]) == (7, 5, 0, 2)


def test_too_many_failures_are_reported_after_everything_is_written(videos, tmp_path, log):
    source = tmp_path / "m.csv"
    source.write_text(f"id,uri,labels\ngood,{videos}/a.mp4,dog;cat\nnone,{videos}/none.mp4,ant\n")
    assert run_extraction(config(source, tmp_path / "out", max_failure_ratio=0.49)) == ExitCode.TOO_MANY_FAILURES
    (row,) = rows(tmp_path / "out")
    assert (row["id"], row["labels"]) == ("good", [2, 1])
    assert (tmp_path / "out/vocabulary.csv").read_text() == '"index","name"\n0,"ant"\n1,"cat"\n2,"dog"\n'
    assert ids(tmp_path / "out", "failures") == ["none"]
    assert account(records(tmp_path / "out")[0]) == (2, 0, 1, 1)
    assert "1 × missing: 'none' (once they are there: --retry-failed missing)" in log.text
    assert run_extraction(config(source, tmp_path / "out", max_failure_ratio=0.49)) == ExitCode.DONE
    assert "2 videos, 2 settled before, of them 1 failed (--retry-failed), 0 to do" in log.text


def test_labels_and_splits_that_are_corrected_reach_settled_videos(videos, tmp_path, log):
    source, output = tmp_path / "m.csv", tmp_path / "out"
    lines = [f"{name},{videos}/{name}.mp4" for name in ("a", "sound")]
    source.write_text(f"id,uri,labels,split\n{lines[0]},dgo,train\n{lines[1]},,\n")
    assert run_extraction(config(source, output)) == ExitCode.DONE
    features = {row["id"]: row["mean_rgb"] for row in rows(output)}
    source.write_text(f"id,uri,labels,split\n{lines[0]},dog,train\n{lines[1]},cat,test\n")
    assert run_extraction(config(source, output, dry_run=True)) == ExitCode.DONE
    assert {row["id"]: row["labels"] for row in rows(output)} == {"a": [0], "sound": []}
    assert run_extraction(config(source, output)) == ExitCode.DONE
    assert "out: 2 settled videos have got the labels and splits of the manifest" in log.text
    assert (output / "vocabulary.csv").read_text() == '"index","name"\n0,"dgo"\n1,"cat"\n2,"dog"\n'
    found = {row["id"]: (row["labels"], row["split"], row["mean_rgb"]) for row in rows(output)}
    assert found == {"a": ([2], "train", features["a"]), "sound": ([1], "test", features["sound"])}
    record = records(output)[-1]
    assert account(record) == (2, 2, 0, 0)
    assert record.counts.relabelled == 2
    # The videos alone say nothing about labels.
    assert run_extraction(config(videos / "a.mp4", output)) == ExitCode.DONE
    assert {row["id"]: row["labels"] for row in rows(output)} == {"a": [2], "sound": [1]}


def test_hostile_uris_are_failures_and_the_run_continues(videos, tmp_path):
    uris = [
        "../../../../../etc/hostname",
        "/etc/hostname",
        "x" * 4096,
        "zip://x::http://y",
        "ftp://host/a.mp4",
        "nul\x00byte",
        "line\nbreak.mp4",
        str(videos),
        "concat:a.mp4|b.mp4",
    ]
    lines = [json.dumps({"id": f"../{number}\n", "uri": uri}) for number, uri in enumerate(uris)]
    (tmp_path / "m.jsonl").write_text("\n".join([*lines, json.dumps({"id": "good", "uri": f"{videos}/a.mp4"})]))
    output = tmp_path / "deep" / "out"
    assert run_extraction(config(tmp_path / "m.jsonl", output, max_failure_ratio=1.0)) == ExitCode.DONE
    assert ids(output) == ["good"]
    codes = {row["id"]: row["code"] for row in rows(output, "failures")}
    assert codes == {f"../{number}": "not_media" if number in (0, 1, 7) else "missing" for number in range(len(uris))}
    assert sorted(os.listdir(tmp_path)) == ["deep", "m.jsonl"]
    assert os.listdir(tmp_path / "deep") == ["out"]
    assert all("INTERNAL" not in row["message"] for row in rows(output, "failures"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"input": "nowhere.csv", "weights": "inception-2016"},
            ["No such file", "weights 'inception-2016' for frames not found"],
        ),
        ({"input": "ftp://host/videos"}, ["only these schemes are read"]),
        ({"precision": "fp16"}, ["needs CUDA"]),
        ({"output": "zip://x::http://y"}, ["only these schemes are read"]),
        ({"output": "gs://"}, ["a bucket or host is missing"]),
        ({"output": "/dev/null/out"}, ["cannot be written to"]),
        ({"output": "http://127.0.0.1:1/out"}, ["cannot be written to"]),
        ({"fps": "2"}, ["was extracted with other options", "--fps: 1 there, 2 here"]),
    ],
)
def test_bad_input_stops_before_any_work(changes, words, output, videos, log):
    before = sorted(output.rglob("*"))
    assert run_extraction(config(videos, output).with_values(**changes)) == ExitCode.BAD_INPUT
    for word in words:
        assert word in log.text
    assert sorted(output.rglob("*")) == before


def test_a_vocabulary_that_is_none_stops_before_any_work(output, videos, log):
    (output / "vocabulary.csv").write_text("cat\ndog\n")
    assert run_extraction(config(videos, output)) == ExitCode.BAD_INPUT
    assert "is no vocabulary" in log.text


def test_a_dry_run_prints_an_estimate_and_writes_nothing(videos, output, tmp_path, capsys):
    assert run_extraction(config(videos, tmp_path / "new", dry_run=True)) == ExitCode.DONE
    text = capsys.readouterr().out
    assert text.startswith("7 videos, 0 settled before, 7 to do\nfrom 7 of them: 1.2 s and ")
    assert "to embed     6 frames at 1 a second" in text
    assert "to write     1 shards" in text
    assert not (tmp_path / "new").exists()
    # A failure beside its row, as a crash leaves it, is not cleared either.
    left = FailureRow("a", "a.mp4", "read", "storage", "it came to pass", 1, "r0", "")
    pq.write_table(failure_table([left]), output / "failures" / "part-r0-00000.parquet")
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    assert run_extraction(config(videos, output, dry_run=True)) == ExitCode.DONE
    assert capsys.readouterr().out.startswith("7 videos, 7 settled before, of them 2 failed, 0 to do\n  1 × empty: ")
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before
    assert run_extraction(config(videos, output)) == ExitCode.DONE
    assert ids(output, "failures") == ["empty", "text"]


def test_secrets_of_uris_stay_out_of_logs_records_and_messages(videos, tmp_path, log):
    with http_files(videos) as url:
        signed = url.replace("://", "://user:SECRET@")
        uris = [f"{signed}/{path}?signature=SECRET" for path in ("a.mp4", "none.mp4", "status/403/a.mp4", "text.mp4")]
        (tmp_path / "m.csv").write_text("uri\n" + "\n".join([*uris, "ftp://user:SECRET@host/a.mp4"]))
        output = tmp_path / "out"
        assert run_extraction(config(tmp_path / "m.csv", output, max_failure_ratio=1.0)) == ExitCode.DONE
        (output / "again.csv").write_text("uri\n" + "\n".join(uris * 2))
        assert run_extraction(config(output / "again.csv", output)) == ExitCode.BAD_INPUT
    codes = sorted(row["code"] for row in rows(output, "failures"))
    assert codes == ["missing", "missing", "no_permission", "not_media"]
    for row in [*rows(output), *rows(output, "failures")]:
        assert "SECRET" not in row["id"] + row.get("message", "")
    for file in (output / "runs").iterdir():
        assert "SECRET" not in file.read_text()


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
    assert "1 folders, links or tars were not read, or not to the end: videos are missing" in log.text


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
            assert "1 settled videos get the labels and splits of the manifest" in capsys.readouterr().out
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
    assert (
        "3 settled videos have got the labels and splits of the manifest; 1 of them have no label any more" in log.text
    )


def test_a_problem_late_in_a_manifest_ends_the_run_and_what_is_done_is_kept(videos, tmp_path, log, streamed):
    manifest, output = tmp_path / "m.csv", tmp_path / "out"
    lines = ["id,uri,end_seconds", f"a,{videos / 'a.mp4'},", f"b,{videos / 'b.mkv'},", f"c,{videos / 'sub/c.mp4'},"]
    manifest.write_text("\n".join(["id,uri,end_seconds", *lines[1:3], ""]))
    assert run_extraction(config(manifest, output)) == ExitCode.DONE
    manifest.write_text("\n".join([*lines, "d,x.mp4,x", f"a,{videos / 'sound.mp4'},", ""]))
    assert run_extraction(config(manifest, output, rows_per_shard=1)) == ExitCode.BAD_INPUT
    assert "line 5: end_seconds must be a number of seconds" in log.text
    assert "id 'a' stands for both" in log.text
    assert {"a", "b"} <= set(ids(output)) <= {"a", "b", "c"}
    assert run_extraction(config(manifest, output, dry_run=True)) == ExitCode.BAD_INPUT
    manifest.write_text("\n".join([*lines, ""]))
    assert run_extraction(config(manifest, output)) == ExitCode.DONE
    assert ids(output) == ["a", "b", "c"]


def test_a_dry_run_of_a_manifest_that_would_be_a_stream_tells_what_the_run_would_do(videos, tmp_path, capsys, streamed):
    manifest = tmp_path / "m.csv"
    for labels in ("dog,cat,", "cat,cat,ant"):
        cells = zip(("a.mp4", "b.mkv", "sub/c.mp4"), labels.split(","), strict=True)
        manifest.write_text("".join(["uri,labels\n", *(f"{videos / name},{label}\n" for name, label in cells)]))
        assert run_extraction(config(manifest, tmp_path / "out", dry_run=True)) == ExitCode.DONE
        text = capsys.readouterr().out
        assert ("2 settled videos get the labels and splits of the manifest" in text) == (labels != "dog,cat,")
        assert run_extraction(config(manifest, tmp_path / "out")) == ExitCode.DONE
    assert [record.counts.relabelled for record in records(tmp_path / "out")] == [0, 2]
