"""One video: refusals beside clips, files with names of their own, and sources that are no path."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from cluster.cutting.stage import CuttingSettings, CuttingStage
from cluster.cutting.unit import cutting_unit
from schemas.annotations import AnnotatedVideo, Annotation, Extent, FrameRange
from schemas.cuttings import FindingCode
from schemas.videos import Video
from tests.support.cutting import shown
from tests.support.videos import Clip, read_number, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    path = write_video(tmp_path_factory.mktemp("videos") / "a.mp4", Clip(frames=30))
    return Video("../a", str(path))


def stage_of(video: Video, *labelled: tuple[str, Extent], **settings: object) -> CuttingStage:
    annotations = tuple(Annotation(label, extent, f"line {at}") for at, (label, extent) in enumerate(labelled))
    unit = cutting_unit(video, [AnnotatedVideo("a", annotations)], {})
    return CuttingStage({video.id: unit}, {video.id: "f" * 64}, CuttingSettings(**settings))  # type: ignore[arg-type]


def test_refusals_say_where_they_stand(video: Video) -> None:
    extents = (FrameRange(0, 9), FrameRange(0, 9), FrameRange(40, 50), None, FrameRange(25, 35))
    stage = stage_of(video, *zip(("run", "run", "run", "", "walk"), extents, strict=True))
    cut, others = stage(video.uri, video)
    assert others == []
    assert [(clip.id, clip.frames) for clip in cut.clips] == [("../a#0000", 10), ("../a#0004", 5)]
    found = [(finding.code, finding.label, finding.source) for finding in cut.findings]
    assert found == [
        (FindingCode.DUPLICATE, "run", "line 1"),
        (FindingCode.OUTSIDE, "run", "line 2"),
        (FindingCode.NO_LABEL, "", "line 3"),
        (FindingCode.SHORTENED, "walk", "line 4"),
    ]


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
    assert names == [f"{'f' * 20}-0000.mp4", f"{'f' * 20}-0001.mp4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    numbers = [read_number(image) for _, image in shown(tmp_path / names[1])]
    assert set(range(10, 13)) <= set(numbers)
    assert made.bytes_written == sum(path.stat().st_size for path in tmp_path.iterdir())
