"""Several videos, and tables of them, as a manifest that jobs read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
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


def test_a_video_has_the_same_id_whatever_comes_with_it(tmp_path: Path) -> None:
    alone = ids_and_uris(job_input(["/in/cats/1.mp4"], str(tmp_path)))
    together = ids_and_uris(job_input([Path("/in/cats/1.mp4"), "/in/dogs/1.mp4", "gs://b/x.mp4"], str(tmp_path)))
    assert alone == {"/in/cats/1": "/in/cats/1.mp4"}
    assert list(together) == ["/in/cats/1", "/in/dogs/1", "gs://b/x"]


def test_secrets_of_a_uri_are_in_no_id(tmp_path: Path) -> None:
    uris = ["https://me:secret@host/v/a.mp4", "https://host/b.mp4?token=secret"]
    found = ids_and_uris(job_input(uris, str(tmp_path)))
    assert not [name for name in found if "secret" in name]
    assert list(found.values()) == uris


def test_a_relative_path_counts_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made").mkdir()
    for given in (["a.mp4"], pd.DataFrame({"uri": ["a.mp4"]})):
        assert list(ids_and_uris(job_input(given, "made")).values()) == [str(tmp_path / "a.mp4")]


@pytest.mark.parametrize("form", ["pandas", "arrow"])
def test_a_table_keeps_its_columns(form: str, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"id": ["a", "b"], "uri": ["/in/1.mp4", "gs://b/2.mp4"], "labels": [[3], [4, 5]]}, index=[7, 9]
    )
    given = table if form == "pandas" else pa.Table.from_pandas(table)
    first, second = read_videos(job_input(given, str(tmp_path)))
    assert (first.id, first.uri, first.labels) == ("a", "/in/1.mp4", (3,))
    assert (second.id, second.uri, second.labels) == ("b", "gs://b/2.mp4", (4, 5))


@pytest.mark.parametrize("index", ["id", "uri", ["id", "uri"]])
def test_ids_and_uris_may_be_the_index_of_a_table(index: str | list[str], tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a", "b"], "uri": ["/in/1.mp4", "/in/2.mp4"], "split": ["test", "test"]})
    assert ids_and_uris(job_input(table.set_index(index), str(tmp_path))) == {"a": "/in/1.mp4", "b": "/in/2.mp4"}
    twice = table.set_index(index, drop=False)
    assert list(ids_and_uris(job_input(twice, str(tmp_path)))) == ["a", "b"]


def test_a_table_holds_paths(tmp_path: Path) -> None:
    uris = [Path("/in/1.mp4"), "gs://b/2.mp4"]
    table = pd.DataFrame({"id": ["a", "b"], "uri": uris})
    expected = {"a": "/in/1.mp4", "b": "gs://b/2.mp4"}
    assert ids_and_uris(job_input(table, str(tmp_path))) == expected
    assert ids_and_uris(job_input(table.set_index("uri"), str(tmp_path))) == expected


@pytest.mark.parametrize("change", [{"uri": [1, 2]}, {"uri": [1, "a.mp4"]}, {"labels": ["cat", 1]}])
def test_a_table_of_other_things_is_refused(change: dict[str, list[object]], tmp_path: Path) -> None:
    table = pd.DataFrame({"uri": ["/in/1.mp4", "/in/2.mp4"], **change})
    with pytest.raises(InputError, match="cannot be written as a manifest: "):
        job_input(table, str(tmp_path))


def test_no_video_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no videos are given"):
        job_input([], str(tmp_path))


def test_a_table_without_uris_is_refused_as_any_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="uri"):
        read_videos(job_input(pd.DataFrame({"path": ["/in/1.mp4"]}), str(tmp_path)))
