"""What videos have come to is found again; what is damaged or of another release is done again."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.cutting.cuts_folder import CutsFolder, remove_files
from cluster.datasets.folder import DatasetError
from schemas.cuttings import VideoCuts
from schemas.runs import FailureNote

NOTE = FailureNote(id="a", uri="a", stage="read", code="empty", message="m", attempts=1)


def test_cuts_are_found_by_the_ids_of_their_videos(tmp_path: Path) -> None:
    folder = CutsFolder(str(tmp_path / "clips.csv"), run_id="1")
    assert folder.stored(["a"]) == {}
    cuts = [VideoCuts(id=name, uri=name, fingerprint="f", cut=None, failure=NOTE) for name in ("a", "../b", "c")]
    for one in cuts:
        folder.write(one)
    places = sorted((tmp_path / "clips.csv.cuts" / "videos").iterdir())
    assert len(places) == 3
    assert folder.stored(["../b", "a", "x"]) == {"a": cuts[0], "../b": cuts[1]}
    for place in places:
        place.write_text(place.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    assert folder.stored(["a"]) == {}
    places[0].write_bytes(b"\xff{")
    assert folder.stored(["a", "../b", "c"]) == {}


def test_a_folder_that_cannot_be_written_to_says_so(tmp_path: Path) -> None:
    (tmp_path / "clips.csv.cuts").write_text("a file")
    folder = CutsFolder(str(tmp_path / "clips.csv"), run_id="1")
    with pytest.raises(DatasetError, match="cannot be written to"):
        folder.write(VideoCuts(id="a", uri="a", fingerprint="f", cut=None, failure=NOTE))


def test_files_that_are_gone_need_not_be_removed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "folder").mkdir()
    assert list(remove_files(str(tmp_path), ["a", "b", "folder"])) == ["folder"]
    assert not (tmp_path / "a").exists()
    assert list(remove_files(None, ["a"])) == []
