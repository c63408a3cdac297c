"""Names of subtitle files, and their index."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.timelines.subtitle_folder import file_stem, write_subtitles
from tests.support.fuzz import FUZZ


def hashed(video_id: str) -> str:
    return hashlib.sha256(video_id.encode()).hexdigest()[:24]


def test_each_video_has_its_text_and_the_index_names_the_files(tmp_path: Path) -> None:
    assert write_subtitles(str(tmp_path), ".srt", [{"a": "one", "b/c": "two"}, {"A": "three"}]) == 3
    files = {"a": "a.srt", "b/c": f"{hashed('b/c')}.srt", "A": f"{hashed('A')}.srt"}
    assert (tmp_path / "index.csv").read_text().splitlines() == ["id,file", *(f"{k},{v}" for k, v in files.items())]
    assert [(tmp_path / file).read_text() for file in files.values()] == ["one", "two", "three"]


@FUZZ
@given(st.text() | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", fullmatch=True))
def test_every_id_gives_a_safe_name(video_id: str) -> None:
    stem = file_stem(video_id)
    assert stem in (video_id, hashed(video_id))
    assert stem.isascii()
    assert stem.replace("_", "").replace("-", "").isalnum()
    assert len(stem) <= 100


def test_the_index_appears_after_the_files(tmp_path: Path) -> None:
    (tmp_path / "b.vtt").mkdir()  # where a file is to be
    with pytest.raises(OSError, match=r"b\.vtt"):
        write_subtitles(str(tmp_path), ".vtt", [{"a": "", "b": ""}])
    assert not (tmp_path / "index.csv").exists()
