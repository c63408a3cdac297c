"""Several videos, and tables of them, as a manifest that jobs read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cluster.datasets.manifest import read_videos
from framemill import InputError
from framemill.inputs import job_input


def ids_and_uris(source: str) -> dict[str, str]:
    return {video.id: video.uri for video in read_videos(source)}


def test_one_place_goes_to_the_job_as_it_is(tmp_path: Path) -> None:
    assert job_input("gs://bucket/videos/*.mp4", str(tmp_path)) == "gs://bucket/videos/*.mp4"
    assert job_input(tmp_path / "a.mp4", str(tmp_path)) == str(tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_videos_are_named_by_their_places_below_what_they_share(tmp_path: Path) -> None:
    videos = [tmp_path / "in" / name for name in ("x/a.mp4", "x/b.mp4", "y/a.mp4", "y/a.webm")]
    found = ids_and_uris(job_input(videos, str(tmp_path / "out")))
    assert found == dict(zip(["x/a", "x/b", "y/a.mp4", "y/a.webm"], map(str, videos), strict=True))


def test_a_relative_path_counts_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ids_and_uris(job_input(["a.mp4"], "out")) == {"a": str(tmp_path / "a.mp4")}


def test_the_same_videos_give_the_same_manifest(tmp_path: Path) -> None:
    assert job_input(["/in/a.mp4"], str(tmp_path)) == job_input(["/in/a.mp4"], str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_table_keeps_its_columns(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"id": ["a", "b"], "uri": ["/in/1.mp4", "gs://b/2.mp4"], "labels": [[3], [4, 5]]}, index=[7, 9]
    )
    first, second = read_videos(job_input(table, str(tmp_path)))
    assert (first.id, first.uri, first.labels) == ("a", "/in/1.mp4", (3,))
    assert (second.id, second.uri, second.labels) == ("b", "gs://b/2.mp4", (4, 5))


def test_no_video_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no videos are given"):
        job_input([], str(tmp_path))


def test_a_table_without_uris_is_refused_as_any_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="uri"):
        read_videos(job_input(pd.DataFrame({"path": ["/in/1.mp4"]}), str(tmp_path)))
