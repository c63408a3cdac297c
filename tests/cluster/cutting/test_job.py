"""A run from an export to manifests, files, records and a page; what a second run does, and what training reads."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.cutting.config import SplitOptions
from cluster.cutting.job import cut_clips, run_cutting
from cluster.cutting.sequence_example import decoded
from cluster.datasets.manifest import read_videos
from cluster.runs.lifecycle import ExitCode
from cluster.storage.tfrecords import record_at, record_places
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from schemas.clips import ClipFormat
from schemas.cuttings import CuttingRecord, FindingCode, VideoCuts
from tests.support.cut_runs import cutting_options, rows, write_inputs
from tests.support.cutting import shown
from tests.support.pages import assert_self_contained
from tests.support.videos import read_number


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def done(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CuttingRecord]:
    output = tmp_path_factory.mktemp("output")
    return output, cut_clips(_options(inputs, output))


def _options(inputs: Path, output: Path, **given: object):
    places = {"cut": "exact", "clips": str(output / "clips"), "tfrecords": str(output / "records")}
    return cutting_options(inputs, output, **{**places, "record_size": 64, **given})


def stored(output: Path) -> list[VideoCuts]:
    return [VideoCuts.from_json(path.read_text()) for path in sorted((output / "clips.csv.cuts/videos").iterdir())]


def test_the_manifest_has_the_clips_by_the_videos_timestamps(done) -> None:
    output, record = done
    found = {row["id"]: row for row in rows(output / "clips.csv")}
    assert list(found) == ["anna#0000", "anna#0001", "anna#0002", "ben#0000", "ben#0001"]
    times = {name: (row["labels"], row["start_seconds"], row["end_seconds"]) for name, row in found.items()}
    assert times["anna#0000"] == ("walk", "0.4", "1.2")
    assert times["anna#0002"] == ("jump", "3.6", "4")
    assert {row["group"] for row in found.values()} == {"anna", "ben"}
    assert record.counts.clips == 5
    assert record.status == "completed"
    assert record.clips_by_class == {"jump": 1, "run": 2, "walk": 2}


def test_what_was_refused_and_what_was_odd_is_told(done) -> None:
    output, record = done
    found = [*record.findings, *(one for each in stored(output) if each.cut for one in each.cut.findings)]
    codes = {(finding.code, finding.video) for finding in found}
    assert (FindingCode.NO_VIDEO, "missing.mp4") in codes
    assert (FindingCode.NO_ANNOTATION, "dora") in codes
    assert (FindingCode.OUTSIDE, "anna") in codes
    assert (FindingCode.SHORTENED, "anna") in codes
    assert record.counts.refused == 2


def test_a_video_that_cannot_be_read_is_a_row(done) -> None:
    output, record = done
    (row,) = pq.read_table(output / "clips.csv.cuts/failures.parquet").to_pylist()
    assert (row["id"], row["code"]) == ("broken", "truncated")
    assert record.failures_by_code == {"truncated": 1}
    assert (record.counts.failed, record.counts.cut, record.counts.unaccounted) == (1, 2, 0)


def test_cut_files_have_the_frames_of_their_rows(done) -> None:
    output, _ = done
    files = {row["id"]: row for row in rows(output / "clips" / "clips.csv")}
    assert set(files) == {row["id"] for row in rows(output / "clips.csv")}
    assert {row["start_seconds"] + row["end_seconds"] for row in files.values()} == {"0"}
    numbers = [read_number(image) for _, image in shown(output / "clips" / files["anna#0000"]["uri"])]
    assert numbers == list(range(10, 30))
    assert "anna" not in "".join(row["uri"] for row in files.values())  # no path is built from an id


def test_the_manifest_selects_exactly_the_annotated_frames(done) -> None:
    """As training decodes them: consecutive frames, more than there are, so that they loop."""
    output, _ = done
    videos = {video.id: video for video in read_videos(str(output / "clips.csv"))}
    files = {row["id"]: row for row in rows(output / "clips" / "clips.csv")}
    form = ClipFormat(frames=200, fps=None, height=96, width=192, resize=(96, 192), mean=(0.0,) * 3, std=(1.0,) * 3)
    for name, video in videos.items():
        expected = {read_number(image) for _, image in shown(output / "clips" / files[name]["uri"])}
        (clip,) = decode_clips(
            video.uri,
            form,
            ClipSampling(placement="start", short="loop"),
            start_seconds=video.start_seconds,
            end_seconds=video.end_seconds,
        )
        assert {read_number(image) for image in clip} == expected, name
        assert len(expected) > 5


def test_the_page_stands_alone(done) -> None:
    output, _ = done
    page = assert_self_contained((output / "annotations.html").read_text())
    assert {"clips-by-class", "refused", "reported", "recordings", "failed-videos"} <= set(page.headings)
    assert "missing.mp4" in page.text


def test_a_second_run_does_nothing_and_other_annotations_do_their_videos(inputs, done) -> None:
    output, first = done
    before = {path: path.stat().st_mtime_ns for path in (output / "clips").glob("*.mp4")}
    again = cut_clips(_options(inputs, output))
    assert (again.counts.cut, again.counts.already_cut, again.counts.failed_before) == (0, 2, 1)
    assert again.clips_by_class == first.clips_by_class
    assert {path: path.stat().st_mtime_ns for path in (output / "clips").glob("*.mp4")} == before
    text = (inputs / "list.csv").read_text()
    try:
        (inputs / "list.csv").write_text(text.replace("ben.mkv,walk,1,2", "ben.mkv,walk,1,1.5"))
        changed = cut_clips(_options(inputs, output))
    finally:
        (inputs / "list.csv").write_text(text)
    assert (changed.counts.cut, changed.counts.already_cut) == (1, 1)
    left = set((output / "clips").glob("*.mp4"))
    assert len(left) == 5  # the former files of the video are gone
    assert len(left & set(before)) == 3
    retried = cut_clips(_options(inputs, output, retry_failed=("truncated",)))
    assert (retried.counts.failed, retried.counts.cut) == (1, 1)  # and `ben` as it was before


def test_other_labels_and_splits_change_rows_alone(inputs: Path, tmp_path: Path) -> None:
    options = cutting_options(inputs, tmp_path, cut="exact", clips=str(tmp_path / "clips"))
    cut_clips(options)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").glob("*.mp4")}
    text = (inputs / "list.csv").read_text()
    assert "overlap" in (tmp_path / "annotations.html").read_text()
    (tmp_path / "list.csv").write_text(text.replace("mp4,walk,", "mp4,jump,").replace("mkv,run,", "mkv,walk,"))
    changed = cut_clips(replace(options, annotations=str(tmp_path / "list.csv"), splits=SplitOptions(seed=5)))
    assert (changed.counts.cut, changed.counts.already_cut) == (0, 2)
    assert changed.clips_by_class == {"jump": 2, "run": 1, "walk": 2}
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").glob("*.mp4")} == before
    for manifest in ("clips.csv", "clips/clips.csv"):
        found = {row["id"]: row["labels"] for row in rows(tmp_path / manifest)}
        assert found["anna#0000"] == "jump"
        assert found["ben#0001"] == "walk"


def test_other_labels_change_records_and_no_cut_file(inputs: Path, tmp_path: Path) -> None:
    options = _options(inputs, tmp_path, test=0.0, validation=0.0)
    cut_clips(options)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").glob("*.mp4")}
    text = (inputs / "list.csv").read_text()
    (tmp_path / "list.csv").write_text(text.replace("mkv,run,", "mkv,walk,"))
    changed = cut_clips(replace(options, annotations=str(tmp_path / "list.csv")))
    assert (changed.counts.cut, changed.counts.already_cut) == (1, 1)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").glob("*.mp4")} == before
    names = {name for cuts in stored(tmp_path) if cuts.cut for name in cuts.cut.records}
    assert names == {str(path.relative_to(tmp_path / "records")) for path in (tmp_path / "records").glob("*/*.tf*")}
    labels = []
    for name in names:
        with (tmp_path / "records" / name).open("rb") as file:
            labels += [decoded(record_at(file, place, name)).label_names for place in record_places(file, name)]
    assert sorted(labels) == [("jump",), ("run",), ("walk",), ("walk",), ("walk",)]


def test_records_give_the_clips_back(done, tmp_path: Path) -> None:
    output, _ = done
    names = {path.parent.name for path in (output / "records").glob("*/*.tfrecord")}
    assert names <= {"train", "validation", "test"}
    options = cutting_options(
        tmp_path,
        tmp_path,
        annotations=None,
        videos=None,
        from_tfrecords=str(output / "records"),
        cut="exact",
        clips=str(tmp_path / "clips"),
    )
    record = cut_clips(options)
    assert record.clips_by_class == {"jump": 1, "run": 2, "walk": 2}
    source = {row["labels"] + row["split"]: row for row in rows(output / "clips.csv")}
    for row in rows(tmp_path / "clips.csv"):
        original = source[row["labels"] + row["split"]]
        assert row["group"] == original["group"]
        lasted = Fraction(original["end_seconds"]) - Fraction(original["start_seconds"])
        frames = shown(Path(row["uri"]))
        assert frames[-1][0] < lasted
        assert frames[0][1].shape == (64, 128, 3)


def test_keyframe_cuts_name_the_clip_within_the_file(inputs: Path, tmp_path: Path) -> None:
    cut_clips(_options(inputs, tmp_path, cut="keyframes", tfrecords=None, record_size=256))
    videos = {video.id: video for video in read_videos(str(tmp_path / "clips" / "clips.csv"))}
    video = videos["anna#0001"]  # from frame 25 on; the key frame before it is the first
    assert (video.start_seconds, video.end_seconds) == (1, 2)
    assert video.uri == str(tmp_path / "clips" / Path(video.uri).name)


def test_bad_input_touches_nothing(inputs: Path, tmp_path: Path) -> None:
    options = cutting_options(inputs, tmp_path, videos=str(tmp_path / "nowhere"))
    assert run_cutting(options) is ExitCode.BAD_INPUT
    assert not list(tmp_path.iterdir())


def test_a_run_without_a_clip_writes_no_manifest(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id,label,start_seconds,end_seconds\nanna,run,50,60\n")
    options = cutting_options(inputs, tmp_path, annotations=str(tmp_path / "list.csv"))
    assert run_cutting(options) is ExitCode.FAILED
    assert not (tmp_path / "clips.csv").exists()
    assert "lies outside the video" in (tmp_path / "annotations.html").read_text()
