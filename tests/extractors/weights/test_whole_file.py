"""Files show once they are whole, whoever else writes them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from extractors.weights.whole_file import ABANDONED_SECONDS, temporary_beside, written_whole


def test_a_file_shows_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    with written_whole(path) as part:
        part.write_text("content")
        assert not path.exists()
    assert [file.read_text() for file in path.parent.iterdir()] == ["content"]
    with pytest.raises(FileNotFoundError), written_whole(path) as part:
        part.unlink()
    assert [file.read_text() for file in path.parent.iterdir()] == ["content"]


def test_writers_of_one_process_id_do_not_share_a_name(tmp_path: Path) -> None:
    """As on two machines that share the cache."""
    with written_whole(tmp_path / "file") as first, written_whole(tmp_path / "file") as second:
        first.write_text("first")
        second.write_text("second")
        assert first.read_text() == "first"
    assert [file.read_text() for file in tmp_path.iterdir()] == ["first"]


def test_others_may_read_it_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with written_whole(tmp_path / "file") as part:
            save_file({"a": np.zeros(3)}, part)  # which makes files for their owner alone
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / ".file.0123.part", tmp_path / ".file.4567.part"
    now = time.time()
    for path, age_seconds in ((old, 60), (tmp_path / ".tmpA1b2C3", 60), (new, -60), (tmp_path / "other.part", 60)):
        path.write_text("half")
        os.utime(path, times=(now, now - ABANDONED_SECONDS - age_seconds))
    with temporary_beside(tmp_path / "another"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [new.name, "other.part"]
