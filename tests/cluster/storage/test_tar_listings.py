from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cluster.storage import tar_listings
from cluster.storage.tar_listings import Listed, listed_members
from cluster.storage.tar_members import Read, TarError, TarMember
from tests.support.tars import tar_bytes

URI = "gs://bucket/a.tar"
CONTENT = tar_bytes([("a/1.mp4", b"x" * 700), ("a/1.cls", b"7"), ("a\udcff.mp4", b""), ("b/", b"")])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path / "cache"))
    tar_listings._tell.cache_clear()
    return tmp_path / "cache"


class Tar:
    """Counts how often it is opened."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content, self.opened = content, 0

    def open(self) -> tuple[Read, int]:
        self.opened += 1
        return lambda start, end: self.content[start:end], len(self.content)

    def listed(self, version: str = "etag:1", uri: str = URI) -> list[Listed]:
        return list(listed_members(uri, version, self.open, is_label))


def is_label(member: TarMember) -> bool:
    return member.name.endswith(".cls")


def test_a_tar_is_listed_once_for_each_version(cache: Path) -> None:
    tar = Tar()
    first = tar.listed()
    assert [(member.name, member.size_bytes, content) for member, content in first[:2]] == [
        ("a/1.mp4", 700, None),
        ("a/1.cls", 1, b"7"),
    ]
    again = tar.listed()
    assert [(member.start, member.size_bytes, member.is_file, content) for member, content in again] == [
        (member.start, member.size_bytes, member.is_file, content) for member, content in first
    ]
    assert [member.name for member, _ in again] == ["a/1.mp4", "a/1.cls", "a\\udcff.mp4", "b/"]
    assert tar.opened == 1
    assert len(tar.listed("etag:2")) == len(tar.listed("etag:2")) == 4
    assert tar.opened == 2
    assert tar.listed(uri="gs://bucket/b.tar") == first
    assert tar.opened == 3
    assert len(list((cache / "tars").iterdir())) == 2


@pytest.mark.parametrize(
    ("uri", "version"), [(URI, ""), ("/v/a.tar", "1@2"), ("https://h/a.tar?X-Amz-Signature=1", "etag:1")]
)
def test_other_tars_are_listed_each_time(cache: Path, uri: str, version: str) -> None:
    tar = Tar()
    assert tar.listed(version, uri) == tar.listed(version, uri)
    assert tar.opened == 2
    assert not cache.exists()


def test_of_a_damaged_tar_nothing_is_kept(cache: Path) -> None:
    tar = Tar(CONTENT[:3000])
    with pytest.raises(TarError):
        tar.listed()
    next(listed_members(URI, "etag:1", Tar().open, is_label))
    assert not cache.exists()
    assert len(Tar(CONTENT).listed()) == 4


def test_a_cache_that_cannot_be_used_is_told_once(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    tar = Tar()
    tar.listed()
    (kept,) = (cache / "tars").iterdir()
    kept.write_bytes(b"no table")
    assert len(tar.listed()) == len(tar.listed()) == 4
    assert tar.opened == 2
    kept.unlink()
    (cache / "tars").rmdir()
    (cache / "tars").write_bytes(b"no folder")
    with caplog.at_level(logging.INFO):
        assert len(tar.listed()) == len(tar.listed()) == 4
    assert [record.getMessage() for record in caplog.records] == [
        "listings of tars are not kept for later runs (FRAMEMILL_CACHE): File exists"
    ]
