from __future__ import annotations

from pathlib import Path

import pytest

from cluster.datasets.manifest import read_videos
from cluster.serving.corrections import Corrections
from cluster.storage.read_policy import ReadPolicy
from schemas.errors import InputError


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "upload"
    path.write_bytes(b"a video")
    return path


def rows(folder: Path):
    return read_videos(str(folder / "corrections.csv"), policy=ReadPolicy(allow_local_files=True))


def test_corrections_and_their_videos_are_kept_and_go_on(tmp_path, video):
    folder = tmp_path / "kept"
    corrections = Corrections(folder, keeps_videos=True)
    assert corrections.manifest() == b""
    corrections.add(video, 0.0, 1.0, "dancing, slowly")
    Corrections(folder, keeps_videos=True).add(video, 3.2, 4.1, "résumé")
    found = rows(folder)
    assert [(row.labels, row.start_seconds, row.end_seconds) for row in found] == [
        (("dancing, slowly",), 0, 1),
        (("résumé",), 3, 5),
    ]
    assert len({row.id for row in found}) == 2
    (copy,) = (folder / "videos").iterdir()
    assert {row.uri for row in found} == {str(copy)}
    assert copy.read_bytes() == b"a video"


def test_the_latest_word_on_a_part_counts(tmp_path, video):
    corrections = Corrections(tmp_path / "kept", keeps_videos=False)
    first = corrections.add(video, 1.0, 2.0, "walking")
    assert corrections.add(video, 1.5, 2.0, "running").id == first.id
    corrections.add(video, 1.0, 3.0, "other part")
    assert [row.labels for row in rows(tmp_path / "kept")] == [("running",), ("other part",)] or [
        row.labels for row in rows(tmp_path / "kept")
    ] == [("other part",), ("running",)]
    assert not (tmp_path / "kept" / "videos").exists()


@pytest.mark.parametrize("label", ["", " ", "12", "a;b", '["a"]', " a"])
def test_labels_that_a_manifest_would_read_otherwise_are_refused(tmp_path, video, label):
    corrections = Corrections(tmp_path / "kept", keeps_videos=True)
    with pytest.raises(InputError):
        corrections.add(video, 0.0, 1.0, label)
    assert not (tmp_path / "kept" / "corrections.csv").exists()


def test_a_manifest_of_others_is_not_replaced(tmp_path):
    (tmp_path / "corrections.csv").write_text("name,score\na,1\n")
    with pytest.raises(InputError):
        Corrections(tmp_path, keeps_videos=True)
