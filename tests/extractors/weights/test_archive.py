import gzip
import io
import tarfile

import pytest

from extractors.weights import archive
from extractors.weights.archive import ArchiveError, read_members
from tests.support.memory import memory_below


def write(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = b"" if isinstance(content, tarfile.TarInfo) else content
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_only_the_named_members_are_read(tmp_path, mode):
    path = write(tmp_path / "a.tgz", [("./mean.npy", b"m"), ("other.txt", b"o"), ("sub/values.npy", b"v")], mode)
    assert read_members(path, ["mean.npy", "values.npy"], limit_bytes=1 << 20) == {"mean.npy": b"m", "values.npy": b"v"}


def test_members_outside_the_target_folder_are_not_written(tmp_path):
    path = write(
        tmp_path / "in" / "a.tgz" if (tmp_path / "in").mkdir() is None else tmp_path, [("../../mean.npy", b"m")]
    )
    assert read_members(path, ["mean.npy"], limit_bytes=1 << 20) == {"mean.npy": b"m"}
    assert [item.name for item in tmp_path.rglob("*") if item.is_file()] == ["a.tgz"]


def test_links_are_ignored(tmp_path):
    link = tarfile.TarInfo("mean.npy")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path = write(tmp_path / "a.tgz", [("mean.npy", link)])
    with pytest.raises(ArchiveError, match=r"lacks mean\.npy"):
        read_members(path, ["mean.npy"], limit_bytes=1 << 20)


def test_extraction_stops_at_the_size_limit(tmp_path):
    path = write(tmp_path / "a.tgz", [("filler", bytes(8 << 20)), ("mean.npy", b"m")])
    assert path.stat().st_size < 1 << 16
    with pytest.raises(ArchiveError, match="size limit"):
        read_members(path, ["mean.npy"], limit_bytes=1 << 20)


@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive" * 100, gzip.compress(b"no tar"), gzip.compress(bytes(99))[:20]],
    ids=["empty", "text", "no tar", "cut short"],  # the others hold the time
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.tgz"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"a\.tgz"):
        read_members(path, ["mean.npy"], limit_bytes=1 << 20)


def test_members_with_holes_are_refused(tmp_path):
    # A sparse member of the old GNU format: no bytes, and a size of 4 GiB.
    info = tarfile.TarInfo("mean.npy")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    header[483:495] = b"%011o\0" % (4 << 30)
    checksum = 256 + sum(header[:148]) + sum(header[156:])
    header[148:156] = b"%06o\0 " % checksum
    (tmp_path / "a.tgz").write_bytes(gzip.compress(bytes(header) + bytes(1024)))
    with memory_below(20), pytest.raises(ArchiveError, match=r"mean\.npy is stored with holes: pack it again"):
        read_members(tmp_path / "a.tgz", ["mean.npy"], limit_bytes=1 << 20)


def test_a_member_larger_than_the_limit_is_named(tmp_path):
    info = tarfile.TarInfo("mean.npy")
    info.size = 1 << 40
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(ArchiveError, match=r"mean\.npy claims 1,099,511,627,776 bytes"):
        read_members(tmp_path / "a.tar", ["mean.npy"], limit_bytes=1 << 20)


def test_members_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 10)
    path = write(tmp_path / "a.tgz", [(f"{number}", b"") for number in range(10)] + [("mean.npy", b"m")])
    with pytest.raises(ArchiveError, match="it has more than 10 members"):
        read_members(path, ["mean.npy"], limit_bytes=1 << 20)


def test_members_are_told_apart_by_their_folders(tmp_path):
    path = write(tmp_path / "a.tgz", [("p/one/model.js", b"1"), ("p/two/model.js", b"2"), ("p/not-two/model.js", b"3")])
    assert read_members(path, ["two/model.js"], limit_bytes=1 << 20) == {"two/model.js": b"2"}
