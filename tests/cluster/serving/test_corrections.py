from __future__ import annotations

from pathlib import Path

import pytest

from cluster.datasets.manifest import read_videos
from cluster.serving.corrections import (
    MAX_OF_VIDEO,
    CorrectedPart,
    Corrections,
    corrected_part,
    manifest_of,
    sha256_of,
    with_part,
)
from cluster.serving.errors import ApiError
from cluster.storage.read_policy import ReadPolicy
from schemas.errors import InputError

ROOM = 1 << 20


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "upload"
    path.write_bytes(b"a video")
    return path


def part(start: float, end: float, label: str = "dancing") -> CorrectedPart:
    return corrected_part("model", start, end, label, 10.0)


def add(corrections: Corrections, video: Path, new: CorrectedPart) -> None:
    corrections.add(video, sha256_of(video), new)


def rows(folder: Path):
    return read_videos(str(folder / "corrections.csv"), policy=ReadPolicy(allow_local_files=True))


def test_corrections_and_their_videos_are_kept_and_go_on(tmp_path, video):
    folder = tmp_path / "kept"
    add(Corrections(folder, ROOM), video, part(0.0, 1.0, "dancing, slowly"))
    add(Corrections(folder, ROOM), video, part(3.2, 4.1, "résumé"))
    found = rows(folder)
    assert [(row.labels, row.start_seconds, row.end_seconds) for row in found] == [
        (("dancing, slowly",), 0, 1),
        (("résumé",), 3, 5),
    ]
    assert len({row.id for row in found}) == 2
    (copy,) = (folder / "videos").iterdir()
    assert {row.uri for row in found} == {str(copy)}
    assert copy.read_bytes() == b"a video"


def test_no_manifest_names_a_place_of_this_machine(tmp_path, video):
    folder = tmp_path / "kept"
    corrections = Corrections(folder, ROOM)
    add(corrections, video, part(0.0, 1.0))
    for content in (corrections.manifest(), (folder / "corrections.csv").read_bytes()):
        assert str(tmp_path).encode() not in content
        assert f"videos/{sha256_of(video)}.video".encode() in content
    # Nor does one whose rows an earlier release has written.
    text = (folder / "corrections.csv").read_text().replace("videos/", f"{folder}/videos/")
    (folder / "corrections.csv").write_text(text + f"other,{tmp_path}/other.mp4,x,,,,\n")
    assert str(tmp_path).encode() not in Corrections(folder, ROOM).manifest()
    own = manifest_of([part(1.5, 2.0)], sha256_of(video), "holiday.mp4")
    (tmp_path / "corrections.csv").write_bytes(own)
    (row,) = rows(tmp_path)
    assert (row.uri, row.start_seconds, row.end_seconds) == (str(tmp_path / "holiday.mp4"), 1, 2)


def test_the_latest_word_on_a_part_counts(tmp_path, video):
    corrections = Corrections(tmp_path / "kept", ROOM)
    parts: tuple[CorrectedPart, ...] = ()
    for new in (part(1.0, 2.0, "walking"), part(1.0, 3.0, "other part"), part(1.5, 2.0, "running")):
        add(corrections, video, new)
        parts = with_part(parts, new)
    assert [row.labels for row in rows(tmp_path / "kept")] == [("other part",), ("running",)]
    assert [one.label for one in parts] == ["other part", "running"]


@pytest.mark.parametrize("label", ["", " ", "12", "a;b", '["a"]', " a"])
def test_labels_that_a_manifest_would_read_otherwise_are_refused(label):
    with pytest.raises(InputError, match="no name of one class"):
        part(0.0, 1.0, label)


@pytest.mark.parametrize(("start", "end"), [(1.0, 1.0), (2.0, 1.0), (0.0, 10.5), (9.5, 9.7), (400.0, 500.0)])
def test_a_part_that_the_video_has_not_is_refused(start, end):
    with pytest.raises(InputError, match=r"the video lasts 9\.4 s"):
        corrected_part("model", start, end, "dancing", 9.4)
    assert corrected_part("model", 9.3, 9.41, "dancing", 9.4).end_seconds == 10


def test_a_manifest_of_others_is_not_replaced(tmp_path):
    (tmp_path / "corrections.csv").write_text("name,score\na,1\n")
    with pytest.raises(InputError):
        Corrections(tmp_path, ROOM)


def test_copies_and_corrections_are_bounded(tmp_path, video):
    folder = tmp_path / "kept"
    corrections = Corrections(folder, 10)
    add(corrections, video, part(0.0, 1.0))
    add(corrections, video, part(1.0, 2.0))  # the same video needs no more room
    other = tmp_path / "other"
    other.write_bytes(b"another")
    for _ in range(2):
        with pytest.raises(ApiError) as caught:
            add(corrections, other, part(0.0, 1.0))
        assert (caught.value.code, caught.value.status) == ("full", 507)
    assert len(list((folder / "videos").iterdir())) == 1
    assert len(rows(folder)) == 2
    many = tuple(CorrectedPart("m", at, at + 1, "x") for at in range(MAX_OF_VIDEO))
    with pytest.raises(ApiError):
        with_part(many, CorrectedPart("m", 5000, 5001, "x"))
    assert len(with_part(many, CorrectedPart("m", 5, 6, "y"))) == MAX_OF_VIDEO


def test_a_video_that_is_gone_leaves_nothing(tmp_path, video):
    corrections = Corrections(tmp_path / "kept", ROOM)
    sha256 = sha256_of(video)
    video.unlink()
    with pytest.raises(FileNotFoundError):
        corrections.add(video, sha256, part(0.0, 1.0))
    assert list((tmp_path / "kept" / "videos").iterdir()) == []
    assert not (tmp_path / "kept" / "corrections.csv").exists()
