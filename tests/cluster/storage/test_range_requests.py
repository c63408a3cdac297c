from __future__ import annotations

from pathlib import Path

import pytest

from cluster.storage.files import filesystem
from cluster.storage.range_requests import NoRangesError, fetch_of
from tests.support.servers import http_files

CONTENT = bytes(range(200))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "v.mp4").write_bytes(CONTENT)
    return tmp_path


def test_a_range_may_go_on_after_the_end(folder: Path) -> None:
    with http_files(folder) as web:
        for uri, total in ((f"{folder}/v.mp4", None), (f"{web}/v.mp4", len(CONTENT))):
            fs, path = filesystem(uri)
            assert fetch_of(fs)(fs, path, 10, 20) == (CONTENT[10:20], total)
            assert fetch_of(fs)(fs, path, 190, 1000) == (CONTENT[190:], total)


def test_a_server_without_ranges_is_told_by_its_answer(folder: Path) -> None:
    with http_files(folder) as web:
        fs, path = filesystem(f"{web}/whole/v.mp4")
        for start, end in ((10, 20), (0, 100), (0, 1000)):
            with pytest.raises(NoRangesError):
                fetch_of(fs)(fs, path, start, end)
        assert fetch_of(fs)(fs, path, 0, len(CONTENT)) == (CONTENT, None)
