"""What `test_manifest.py` does not ask of a whole manifest: its reader, and checks on any rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cluster.datasets.manifest_videos import (
    ManifestError,
    ManifestReader,
    VideoInput,
    checked,
    with_versions,
)
from cluster.datasets.video_problems import duplicates, mixed_labels, repeated
from schemas.videos import Video
from tests.support.folders import touch


def test_a_reader_reads_as_it_is_asked_and_knows_the_problems_so_far(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("uri,id\na.mp4,\n,x\nb.mp4,b\n,\n")
    reader = ManifestReader(str(path))
    videos = iter(reader)
    assert next(videos) == (Video("a", f"{tmp_path}/a.mp4"), "a.mp4")
    assert reader.problems == []
    assert next(videos) == (Video("b", f"{tmp_path}/b.mp4"), "")
    assert reader.problems == ["line 3: no uri"]
    assert (list(videos), reader.problems) == ([], ["line 3: no uri"])


def test_a_reader_that_is_closed_reads_no_further(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"uri": "a.mp4"}\n' * 10)
    reader = ManifestReader(str(tmp_path / "m.jsonl"))
    next(iter(reader))
    reader.close()
    assert (list(reader), reader.problems) == ([], [])


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    reader = ManifestReader(str(tmp_path / "m.csv"))
    assert list(reader) == []
    assert reader.problems[0].startswith("it cannot be read: ")


def test_all_problems_of_videos_come_together() -> None:
    videos = [Video("a", "a", (1,), "train"), Video("a", "a", ("x",), "test")]
    with pytest.raises(ManifestError) as caught:
        checked("m.csv", VideoInput(videos), ["given"])
    assert caught.value.lines == ("given", *mixed_labels(videos), *duplicates(videos), *repeated(videos))
    assert len(caught.value.lines) == 4
    assert checked("m.csv", VideoInput(videos[:1]), []).videos == videos[:1]
    with pytest.raises(ManifestError, match="no video found there"):
        checked("m.csv", VideoInput([]), [])


def test_versions_that_are_known_are_kept(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.mp4")
    videos = [Video(name, f"{tmp_path}/{name}.mp4", version=version) for name, version in (("a", "v1"), ("b", ""))]
    first, second = with_versions(videos, silent=Counter())
    assert first == videos[0]
    assert second.version
