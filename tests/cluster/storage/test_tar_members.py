from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Iterator
from contextlib import suppress

import pytest

from cluster.storage import tar_members as module
from cluster.storage.tar_members import (
    TarError,
    TarMember,
    is_tar,
    member_uri,
    member_version,
    part_of,
    tar_members,
    version_of_tar,
)
from tests.support.tars import FORMATS, tar_bytes

NAMES = (
    "1.mp4",
    "a/2.x.mp4",
    "é" * 40 + "/n.webm",
    "d" * 90 + "/" + "l" * 90 + ".mp4",
    "./3.json",
    "/etc/passwd",
    "../up.mp4",
    "e/",
)


def members_of(content: bytes) -> Iterator[TarMember]:
    return tar_members(lambda start, end: content[start:end], len(content))


def problem_of(content: bytes) -> tuple[list[str], str]:
    """The names of the members before a damage, and what is said of it."""
    names: list[str] = []
    with pytest.raises(TarError) as caught:
        names.extend(member.name for member in members_of(content))
    return names, str(caught.value)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("format", FORMATS)
def test_the_members_are_those_of_pythons_own_reader(format: int, seed: int) -> None:
    draw = random.Random(seed)
    drawn = [draw.choice(NAMES) for _ in range(draw.randrange(6))]
    if format == tarfile.USTAR_FORMAT:
        drawn = [name for name in drawn if name.isascii()]
    content = tar_bytes(
        [
            (name, b"" if name.endswith("/") else draw.randbytes(draw.choice((0, 1, 511, 512, 513, 5000))))
            for name in drawn
        ],
        format,
    )
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        expected = [(info.name, info.offset_data, info.size, info.isreg()) for info in tar]
    assert [
        (member.name.rstrip("/"), member.start, member.size_bytes, member.is_file) for member in members_of(content)
    ] == expected


def test_what_is_no_file_has_no_content() -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("l.mp4")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        sparse = tarfile.TarInfo("s.mp4")
        sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        sparse.size = 3
        tar.addfile(sparse, io.BytesIO(b"123"))
        last = tarfile.TarInfo("v.mp4")
        last.size = 3
        tar.addfile(last, io.BytesIO(b"abc"))
    *others, video = members_of(content.getvalue())
    assert [(member.is_file, member.size_bytes) for member in others] == [(False, 0)] * 5
    assert (video.name, video.is_file) == ("v.mp4", True)
    assert content.getvalue()[video.start : video.start + video.size_bytes] == b"abc"


def test_a_gnu_sparse_file_is_passed_over() -> None:
    """One with a list of holes after its header, and a member after it."""
    header = bytearray(tarfile.TarInfo("s.mp4").tobuf(tarfile.GNU_FORMAT))
    header[156:157], header[124:136], header[482:483] = b"S", b"00000000003\0", b"\1"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    holes = bytearray(512)
    content = bytes(header) + bytes(holes) + b"abc".ljust(512, b"\0") + tar_bytes([("v.mp4", b"x")])
    sparse, video = members_of(content)
    assert (sparse.name, sparse.is_file, sparse.size_bytes) == ("s.mp4", False, 0)
    assert (video.name, content[video.start : video.start + 1]) == ("v.mp4", b"x")


def test_a_size_in_binary_and_one_in_the_attributes() -> None:
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo("large.mp4")
        info.size = 9 << 30
        header = info.tobuf(format)
        (member,) = list(_first(header, 10 << 30))
        assert (member.name, member.size_bytes, member.start) == ("large.mp4", 9 << 30, len(header))


def _first(header: bytes, size_bytes: int) -> Iterator[TarMember]:
    yield next(tar_members(lambda start, end: header[start:end], size_bytes))


def test_where_it_is_damaged_the_members_before_are_read() -> None:
    whole = tar_bytes([("1.mp4", b"a" * 600), ("2.mp4", b"b" * 600)])
    assert problem_of(whole[: 512 + 1024 + 512 + 100])[0] == ["1.mp4"]
    names, problem = problem_of(whole[: 2 * (512 + 1024)])
    assert (names, "end mark is missing" in problem) == (["1.mp4", "2.mp4"], True)
    broken = bytearray(whole)
    broken[512 + 1024] ^= 1
    names, problem = problem_of(bytes(broken))
    assert (names, "at byte 1536" in problem) == (["1.mp4"], True)
    assert problem_of(b"")[1] == "it is empty"
    assert "no tar" in problem_of(b"\x1f\x8b" + bytes(2000))[1]


@pytest.mark.parametrize("between", [0, 512, 3 << 20])
def test_what_follows_an_end_is_not_lost(between: int) -> None:
    """Tars that have been joined, as `cat` does."""
    tar = tar_bytes([("1.mp4", b"a" * 600)])
    assert problem_of(tar + bytes(between) + tar) == (
        ["1.mp4"],
        f"it goes on at byte {len(tar) + between}, after its end mark at byte 1536: if several tars have been joined, "
        "give each of them",
    )


def test_padding_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    tar = tar_bytes([("1.mp4", b"a" * 600)])
    for padding in (0, 1, 512, (3 << 20) + 5):
        assert [member.name for member in members_of(tar + bytes(padding))] == ["1.mp4"]
    monkeypatch.setattr(module, "MAX_PADDING_BYTES", 1 << 20)
    assert "more than 1,048,576 bytes of padding" in problem_of(tar + bytes(2 << 20))[1]


@pytest.mark.parametrize("size", [b"\xff" * 12, b"99999999999\0", b"77777777777\0", b"\x80" + b"\xff" * 11])
def test_what_a_header_claims_is_not_believed(size: bytes) -> None:
    for kind in (b"0", b"x", b"L", b"S"):
        header = bytearray(tarfile.TarInfo("v.mp4").tobuf(tarfile.USTAR_FORMAT))
        header[156:157], header[124:136] = kind, size
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        assert problem_of(bytes(header) + bytes(2048))[0] == []


def test_headers_without_a_member_end(monkeypatch: pytest.MonkeyPatch) -> None:
    header = bytearray(tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT))
    header[156:157] = b"g"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert problem_of(bytes(header) * 3000)[0] == []
    monkeypatch.setattr(module, "MAX_MEMBERS", 3)
    names, problem = problem_of(tar_bytes([(f"{number}.mp4", b"") for number in range(5)]))
    assert (len(names), "more than 3 members" in problem) == (3, True)


def test_names_and_headers_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = module.MAX_NAME_CHARACTERS
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        (member,) = members_of(tar_bytes([("n" * limit, b"x")], format))
        assert len(member.name) == limit
        assert f"a name of {limit + 1:,} characters" in problem_of(tar_bytes([("n" * (limit + 1), b"x")], format))[1]
    content = tar_bytes([("n" * 1000 + str(number), b"x") for number in range(9)])
    monkeypatch.setattr(module, "MAX_HEADERS_BYTES", 5000)
    names, problem = problem_of(content)
    assert (len(names), "its headers take more than 5,000 bytes" in problem) == (4, True)


def test_of_two_headers_of_attributes_neither_is_lost() -> None:
    def attributes(*records: str) -> bytes:
        data = "".join(records).encode()
        info = tarfile.TarInfo("x")
        info.type, info.size = tarfile.XHDTYPE, len(data)
        return info.tobuf(tarfile.USTAR_FORMAT) + data.ljust(512, b"\0")

    info = tarfile.TarInfo("short.mp4")
    content = (
        attributes("10 size=3\n", "24 GNU.sparse.major=1.0\n")
        + attributes("14 path=l.mp4\n")
        + info.tobuf(tarfile.USTAR_FORMAT)
        + b"abc".ljust(512, b"\0")
        + bytes(1024)
    )
    (member,) = members_of(content)
    assert (member.name, member.is_file) == ("l.mp4", False)
    whole = attributes("10 size=3\n") + content[1024:]
    (member,) = members_of(whole)
    assert (member.name, member.size_bytes) == ("l.mp4", 3)


@pytest.mark.parametrize("seed", range(60))
def test_no_damage_crashes_it_or_leads_out_of_the_file(seed: int) -> None:
    draw = random.Random(seed)
    content = bytearray(tar_bytes([(name, draw.randbytes(700)) for name in NAMES[:6]], draw.choice(FORMATS[1:])))
    for _ in range(draw.randrange(1, 30)):
        content[draw.randrange(len(content))] = draw.choice((0, 32, 48, 49, 55, 128, 255))
    if draw.random() < 0.3:
        del content[draw.randrange(len(content)) :]
    found = []
    with suppress(TarError):
        for member in members_of(bytes(content)):
            found.append(member)
    assert all(member.start > 0 and member.start + member.size_bytes <= len(content) for member in found)


def test_a_member_has_a_uri_and_a_version_of_its_own() -> None:
    for tar in ("/v/a.tar", "gs://b/a#1.TAR", "https://h/a.tar?signature=x"):
        uri = member_uri(tar, 512, 100)
        assert uri == f"{tar}#bytes=512-611"
        part = part_of(uri)
        assert part is not None
        assert (part.uri, part.start, part.end, part.size_bytes) == (tar, 512, 612, 100)
        assert (is_tar(tar), is_tar(uri)) == (True, False)
        assert part_of(tar) is None
        assert member_version("etag:1", uri) == "etag:1#512-611"
        assert member_version("", uri) == ""
    for no_tar in ("/v/a.tar?x", "gs://b/a.tar?x", "https://h/a?name=b.tar", "https://h/a.mp4#b.tar"):
        assert not is_tar(no_tar)
        assert part_of(f"{no_tar}#bytes=512-600") is None
    assert version_of_tar("etag:1#512-611") == "etag:1"
    assert version_of_tar("") == ""
    empty = part_of(member_uri("a.tar", 1024, 0))
    assert empty is not None
    assert empty.size_bytes == 0
    for other in ("a.mp4#bytes=512-600", "a.tar#bytes=512-", "a.tar#bytes=0-100", "a.tar#bytes=600-512", "a.tar#t=5"):
        assert part_of(other) is None
