from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cluster.storage import files, range_requests
from cluster.storage.files import filesystem
from cluster.storage.range_requests import NoRangesError, fetch_of
from tests.support.faulty_proxy import faulty_proxy, proxies_before_stores
from tests.support.servers import gs_bucket, http_files, s3_bucket

CONTENT = bytes(range(200))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "v.mp4").write_bytes(CONTENT)
    return tmp_path


def test_a_range_may_go_on_after_the_end(folder: Path) -> None:
    with http_files(folder) as web:
        for uri in (f"{folder}/v.mp4", f"{web}/v.mp4"):
            fs, path = filesystem(uri)
            assert fetch_of(fs)(fs, path, 10, 20)[:2] == (CONTENT[10:20], len(CONTENT))
            assert fetch_of(fs)(fs, path, 190, 1000)[:2] == (CONTENT[190:], len(CONTENT))


@pytest.mark.parametrize("store", [gs_bucket, s3_bucket])
def test_a_store_tells_the_size_by_sending_less_and_the_version_by_its_tag(
    store: Callable[[], AbstractContextManager[str]],
) -> None:
    with store() as root:
        tags = []
        for content in (CONTENT, CONTENT[::-1]):
            files.write_bytes(f"{root}/v.mp4", content)
            fs, path = filesystem(f"{root}/v.mp4")
            parts = [fetch_of(fs)(fs, path, start, end) for start, end in ((10, 20), (190, 1000))]
            assert [part[:2] for part in parts] == [(content[10:20], None), (content[190:], len(CONTENT))]
            tags.append({part.tag for part in parts})
        assert all(len(tag) == 1 for tag in tags)
        assert "" not in tags[0] | tags[1]
        assert tags[0] != tags[1]


def test_a_file_that_is_replaced_gets_another_tag(folder: Path) -> None:
    with http_files(folder) as web:
        for uri in (f"{folder}/v.mp4", f"{web}/v.mp4"):
            fs, path = filesystem(uri)
            before = fetch_of(fs)(fs, path, 0, 10).tag
            os.utime(folder / "v.mp4", (0, len(before)))
            assert fetch_of(fs)(fs, path, 10, 20).tag not in (before, "")


def test_an_answer_may_leave_the_size_open_and_must_begin_where_it_is_asked_to(folder: Path) -> None:
    with http_files(folder) as web:
        fs, path = filesystem(f"{web}/streamed/v.mp4")
        assert fetch_of(fs)(fs, path, 190, 1000)[:2] == (CONTENT[190:], None)
        fs, path = filesystem(f"{web}/elsewhere/v.mp4")
        assert fetch_of(fs)(fs, path, 0, 10)[:2] == (CONTENT[:10], len(CONTENT))
        with pytest.raises(NoRangesError, match="another part"):
            fetch_of(fs)(fs, path, 10, 20)


def test_a_server_without_ranges_is_told_by_its_answer(folder: Path) -> None:
    with http_files(folder) as web:
        fs, path = filesystem(f"{web}/whole/v.mp4")
        for start, end in ((10, 20), (0, 100), (0, 1000)):
            with pytest.raises(NoRangesError):
                fetch_of(fs)(fs, path, start, end)
        assert fetch_of(fs)(fs, path, 0, len(CONTENT))[:2] == (CONTENT, len(CONTENT))


@pytest.mark.parametrize("store", [gs_bucket, s3_bucket])
def test_a_slow_store_is_waited_for_while_bytes_come(
    store: Callable[..., AbstractContextManager[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(200_000)
    monkeypatch.setattr(range_requests, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(range_requests, "SLOWEST_BYTES_PER_SECOND", 4_096)
    proxies, through = proxies_before_stores()
    with store(through) as root:
        files.write_bytes(f"{root}/v.mp4", content)
        proxies[0].sending_seconds = 2.0
        fs, path = filesystem(f"{root}/v.mp4")
        assert fetch_of(fs)(fs, path, 0, len(content)).data == content


def test_so_is_a_slow_web_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "v.mp4").write_bytes(content := os.urandom(200_000))
    monkeypatch.setattr(range_requests, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(range_requests, "SLOWEST_BYTES_PER_SECOND", 4_096)
    with http_files(tmp_path) as web, faulty_proxy(web) as proxy:
        proxy.sending_seconds = 2.0
        fs, path = filesystem(f"{proxy.url}/v.mp4")
        assert fetch_of(fs)(fs, path, 0, len(content)).data == content
