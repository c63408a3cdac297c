"""One video: refusals beside clips, files with names of their own, and sources that are no path."""

from __future__ import annotations

import io
import re
from fractions import Fraction
from pathlib import Path

import pytest

from cluster.cutting.sequence_example import decoded
from cluster.cutting.stage import CuttingSettings, CuttingStage
from cluster.cutting.unit import cutting_unit
from cluster.engines.tasks import Done, Failed, TaskQueue
from cluster.engines.video_worker import VideoWorker
from cluster.storage.tfrecords import record_at, record_places
from schemas.annotations import AnnotatedVideo, Annotation, Extent, FrameRange, TimeRange
from schemas.cuttings import FindingCode
from schemas.outcomes import TRANSIENT
from schemas.videos import Video
from tests.support.cutting import shown
from tests.support.full_disk import limited_files
from tests.support.videos import Clip, read_number, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    path = write_video(tmp_path_factory.mktemp("videos") / "a.mp4", Clip(frames=30))
    return Video("../a", str(path))


def stage_of(video: Video, *labelled: tuple[str, Extent], **settings: object) -> CuttingStage:
    annotations = tuple(Annotation(label, extent, f"line {at}") for at, (label, extent) in enumerate(labelled))
    unit = cutting_unit(video, [AnnotatedVideo("a", annotations)], {})
    return CuttingStage({video.id: unit}, CuttingSettings(**settings))  # type: ignore[arg-type]


def test_refusals_name_their_clips(video: Video) -> None:
    stage = stage_of(video, ("run", FrameRange(0, 9)), ("run", FrameRange(40, 50)), ("walk", FrameRange(25, 35)))
    cut, others = stage(video.uri, video)
    assert others == []
    assert [(clip.id, clip.frames, clip.labels) for clip in cut.clips] == [("../a#0000", 10, ()), ("../a#0002", 5, ())]
    assert [(finding.code, finding.clip) for finding in cut.findings] == [
        (FindingCode.OUTSIDE, "../a#0001"),
        (FindingCode.SHORTENED, "../a#0002"),
    ]


def test_clips_of_the_same_frames_share_a_file_and_a_record(video: Video, tmp_path: Path) -> None:
    places = {"cut": "exact", "clips": str(tmp_path / "cut"), "tfrecords": str(tmp_path / "records")}
    near = TimeRange(Fraction(1, 1000), Fraction(4, 10))
    stage = stage_of(
        video, ("run", FrameRange(0, 9)), ("walk", near), record_size=48, classes={"run": 0, "walk": 1}, **places
    )
    made, _ = stage(video.uri, video)
    first, second = made.clips
    assert first.file == second.file
    assert len([*(tmp_path / "cut").iterdir()]) == 1
    (name,) = made.records
    data = (tmp_path / "records" / name).read_bytes()
    file = io.BytesIO(data)
    (record,) = [decoded(record_at(file, place, name)) for place in record_places(file, name)]
    assert (record.label_indices, record.label_names, len(record.jpegs)) == ((0, 1), ("run", "walk"), 10)


def test_a_video_that_fails_leaves_no_file(video: Video, tmp_path: Path) -> None:
    """The folder of records is a file."""
    (tmp_path / "records").write_text("")
    stage = stage_of(
        video,
        ("run", FrameRange(3, 9)),
        cut="exact",
        clips=str(tmp_path / "cut"),
        tfrecords=str(tmp_path / "records"),
        record_size=48,
        classes={"run": 0},
    )
    with pytest.raises(OSError, match="records"):
        stage(video.uri, video)
    assert not list((tmp_path / "cut").iterdir())


def test_rows_alone_need_no_file_on_disk(video: Video) -> None:
    stage = stage_of(video, ("run", FrameRange(3, 9)))
    content = io.BytesIO(Path(video.uri).read_bytes())
    assert stage(content, video)[0].clips == stage(video.uri, video)[0].clips  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", ["exact", "keyframes"])
def test_files_are_named_by_a_hash(video: Video, tmp_path: Path, cut: str) -> None:
    stage = stage_of(
        video, ("run", FrameRange(3, 9)), ("walk", FrameRange(10, 12)), cut=cut, clips=str(tmp_path), crf=9
    )
    content = io.BytesIO(Path(video.uri).read_bytes())
    made, _ = stage(content, video)  # type: ignore[arg-type]
    names = [clip.file for clip in made.clips]
    assert all(re.fullmatch(rf"[0-9a-f]{{20}}-000{number}\.mp4", name) for number, name in enumerate(names))
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    numbers = [read_number(image) for _, image in shown(tmp_path / names[1])]
    assert set(range(10, 13)) <= set(numbers)
    assert made.bytes_written == sum(path.stat().st_size for path in tmp_path.iterdir())


@pytest.mark.parametrize("cut", ["exact", "keyframes"])
def test_a_video_is_retried_where_the_disk_was_full(video: Video, tmp_path: Path, cut: str) -> None:
    worker = VideoWorker(stage_of(video, ("run", FrameRange(3, 9)), cut=cut, clips=str(tmp_path)), 1 << 30, 60)
    queue = TaskQueue([video], backoff_seconds=(0,))
    first = queue.take()
    assert first is not None
    with limited_files(1000):
        failed = worker(first)
    assert isinstance(failed, Failed)
    assert failed.code in TRANSIENT
    assert queue.settle(failed) is None
    again = queue.take()
    assert again is not None
    done = worker(again)
    assert isinstance(done, Done)
    assert not done.features.findings
    assert [clip.file for clip in done.features.clips] == [path.name for path in tmp_path.iterdir()]
