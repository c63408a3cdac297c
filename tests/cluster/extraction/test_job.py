import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.engines.base import ONE_CORE
from cluster.engines.local import LocalEngine
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.early_start import run_extraction
from cluster.runs.command_line import parse
from cluster.runs.lifecycle import ExitCode
from schemas.failures import FailureRow, failure_table
from schemas.records import Machine
from tests.support.dataset import ids, rows
from tests.support.engines import refuse_engine
from tests.support.extractions import TINY, account, config, leave_as_killed, records
from tests.support.folders import touch, unreadable_folder
from tests.support.servers import http_files
from tests.support.videos import Clip, write_video

NAMES = ["a", "b", "line\nbreak", "sound", "sub/c"]


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
    assert "2 videos with features of an earlier release" in log.text
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
    assert sum("content is missing from this run" in line for line in warnings) == 1
    assert "videos are missing: 2 of the folders, links and tars could not be read, or not to the end" in warnings
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
    leave_as_killed(output)
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
    assert "out: 2 settled videos got the labels and splits of the manifest" in log.text
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
    assert "to write     1 shard," in text
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
