from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cluster.annotations import export as module
from cluster.annotations.export import Export
from tests.support.annotations import write


def test_a_file_is_named_by_itself_and_files_of_a_folder_by_their_paths(tmp_path: Path) -> None:
    root = write(tmp_path, {"a/x.JSON": "{}", "b.csv": "x", ".hidden/c.json": "{}"})
    assert [file.name for file in Export(f"{root}/b.csv").files] == ["b.csv"]
    folder = Export(root)
    assert [file.name for file in folder.files] == ["a/x.JSON", "b.csv"]
    assert [file.name for file in folder.with_suffix((".json",))] == ["a/x.JSON"]
    assert [file.name for file in Export(f"{root}/b.csv").with_suffix((".json",))] == ["b.csv"]
    assert folder.files[0].stem == "x"


def test_content_is_bounded_and_archives_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, {"a.json": b"PK\x03\x04...", "b.json": "[1, 2]", "c.json": " "})
    zipped, plain, empty = Export(root).files
    with pytest.raises(ValueError, match="it is a zip archive: unpack it"):
        zipped.json()
    with pytest.raises(ValueError, match="it is empty"):
        empty.json()
    assert plain.json() is plain.json()
    monkeypatch.setattr(module, "MAX_BYTES", 5)
    with pytest.raises(ValueError, match="it has 6 bytes, at most 5 are read"):
        _ = plain.content
    monkeypatch.setattr(module, "MAX_STREAMED_BYTES", 5)
    with pytest.raises(ValueError, match="it has 6 bytes"), plain.open():
        pass


def test_first_lines_are_whole_and_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_BYTES", 8)
    root = write(
        tmp_path, {"a.csv": "one\n\ntwo,three\n", "b.csv": b"\xff\xfe\xff", "c.csv.gz": gzip.compress(b"x,y\n1")}
    )
    assert [file.first_lines(9) for file in Export(root).files] == [["one"], [], []]
    monkeypatch.setattr(module, "HEAD_BYTES", 800)
    assert Export(root).files[2].first_lines(9) == ["x,y", "1"]


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"secret/x.json": "{}", "in/a.json": "{}"})
    (tmp_path / "in" / "out").symlink_to(tmp_path / "secret")
    found = Export(str(tmp_path / "in"))
    assert [file.name for file in found.files] == ["a.json"]
    assert found.outside == (str(tmp_path / "in" / "out"),)
