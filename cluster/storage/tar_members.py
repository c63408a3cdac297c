"""The members of a tar, from its headers; nothing is unpacked, and no member's content is read.

In: a function that reads a range of the file, and its size. Out: `TarMember`s in their order. POSIX.1-1988 (ustar),
POSIX.1-2001 (pax) and GNU headers are read, whatever program wrote them. A tar is not trusted: what its headers claim
takes no memory, names are data and never paths, and damage ends the members with a `TarError`.

A member's bytes have a URI of their own, the tar's with the range that they take, as HTTP counts it:
`gs://bucket/shard-00.tar#bytes=512-2047`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

TAR = ".tar"
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.lz4")
PLAIN_ONLY = "compressed tars are not read, as their members cannot be reached: decompress to a plain .tar"
BLOCK_BYTES = 512
MAX_NAME_CHARACTERS = 4096  # of a member, with its folders
MAX_HEADER_BYTES = 1 << 20  # of the long names and attributes of one member
MAX_HEADERS_BYTES = 1 << 30  # likewise of all members
MAX_MEMBERS = 1_000_000
MAX_PADDING_BYTES = 256 << 20  # after the last member
PADDING_BYTES = 1 << 20  # of it that are read at a time
PAX, GLOBAL_PAX, LONG_NAME, LONG_LINK, SPARSE = b"x", b"g", b"L", b"K", b"S"
MAX_OCTAL = 8**11  # larger sizes may be in the attributes alone
FILES = (b"0", b"\0", b"7")
NO_CONTENT = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders, pipes; their sizes mean nothing
CHECKSUM = slice(148, 156)
_MEMBER = re.compile(r"(.+)#bytes=(\d{1,15})-(\d{1,15})", re.DOTALL)
# The address of an http URI ends at its query; in others `?` and `#` are parts of names.
_TAR = re.compile(r"https?://[^?#]*\.tar(?:\?[^#]*)?|(?!https?://).*\.tar", re.IGNORECASE | re.DOTALL)

Read = Callable[[int, int], bytes]  # the bytes from a place to another, or fewer where the file ends before


class TarError(ValueError):
    """A tar that cannot be read on; the message says from which byte."""


@dataclass(frozen=True, slots=True)
class TarMember:
    """One member: `size_bytes` from `start` on; none if it is no plain file, but a link or a file with holes."""

    name: str
    start: int
    size_bytes: int
    is_file: bool = True


@dataclass(frozen=True, slots=True)
class TarPart:
    """The bytes of a member in the tar at `uri`."""

    uri: str
    start: int
    size_bytes: int

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.start + self.size_bytes


def is_tar(uri: str) -> bool:
    """Whether `uri` names a tar, by its extension."""
    return _TAR.fullmatch(uri) is not None


def member_uri(tar: str, start: int, size_bytes: int) -> str:
    """The URI of a member's bytes."""
    return f"{tar}#bytes={start}-{start + size_bytes - 1}"


def member_version(tar_version: str, uri: str) -> str:
    """The version of a member by that of its tar and its own URI; empty where that of the tar is not known."""
    return tar_version and f"{tar_version}#{uri.rpartition('#bytes=')[2]}"


def version_of_tar(version: str) -> str:
    """The version of the tar, given that of a member (`member_version`)."""
    return version.rpartition("#")[0]


def part_of(uri: str) -> TarPart | None:
    """The bytes that a result of `member_uri` names; None for any other URI."""
    if not (found := _MEMBER.fullmatch(uri)) or not is_tar(found[1]):
        return None
    start, last = int(found[2]), int(found[3])
    return TarPart(found[1], start, last + 1 - start) if BLOCK_BYTES <= start <= last + 1 else None


def tar_members(read: Read, size_bytes: int) -> Iterator[TarMember]:
    """The members of a tar of `size_bytes`, in their order, up to its end or the first damage.

    Raises:
        TarError: at the damage.
    """
    if not size_bytes:
        raise TarError("it is empty")
    place, count, taken_bytes, headers_bytes = 0, 0, 0, 0
    name, size = "", None  # what the headers before it say of the next member
    is_sparse = False
    while place < size_bytes:
        header = read(place, place + BLOCK_BYTES)
        if header == bytes(BLOCK_BYTES):
            _check_padding(read, place, size_bytes)
            return
        if not is_header(header):
            raise TarError(f"at byte {place} there is no header of a member: it is damaged, or no tar")
        kind, own_size = header[156:157], number(header[124:136])
        if own_size is None:
            raise TarError(f"at byte {place} there is a member without a size")
        data = place + BLOCK_BYTES
        if kind in (PAX, GLOBAL_PAX, LONG_NAME, LONG_LINK):
            taken_bytes += BLOCK_BYTES + own_size
            headers_bytes += own_size
            if taken_bytes > MAX_HEADER_BYTES or data + own_size > size_bytes:
                raise TarError(f"at byte {place} there is a header of {own_size} bytes")
            if headers_bytes > MAX_HEADERS_BYTES:
                raise TarError(f"up to byte {place} its headers take more than {MAX_HEADERS_BYTES:,} bytes")
            if kind == LONG_NAME:
                name = _text(read(data, data + own_size))
            elif kind == PAX:
                records = _pax_records(read(data, data + own_size), place)
                name, size = records.get("path", name), _pax_size(records.get("size"), place, size)
                is_sparse |= any(key.startswith("GNU.sparse.") for key in records)
            if len(name) > MAX_NAME_CHARACTERS:
                raise TarError(f"at byte {place} there is a name of {len(name):,} characters")
            place = data + _padded(own_size)
            continue
        count += 1
        if count > MAX_MEMBERS:
            raise TarError(f"from byte {place} on there are more than {MAX_MEMBERS:,} members: write several tars")
        is_file = kind in FILES and not is_sparse
        content_bytes = 0 if kind in NO_CONTENT else own_size if size is None else size
        after = data + (_hole_lists_bytes(read, place) if kind == SPARSE else 0) + content_bytes
        if after > size_bytes:
            raise TarError(f"its last member, at byte {place}, claims to go on after the tar's end: it was cut short")
        yield TarMember(name or _name(header), data, content_bytes if is_file else 0, is_file)
        place = _padded(after)
        name, size, is_sparse, taken_bytes = "", None, False, 0
    raise TarError(f"its end mark is missing after byte {place}: it was cut short")


def _check_padding(read: Read, place: int, size_bytes: int) -> None:
    """Raise `TarError` unless nothing but zeros follows from `place` on, as after the last member of a tar."""
    stop = min(size_bytes, place + MAX_PADDING_BYTES)
    for start in range(place, stop, PADDING_BYTES):
        padding = read(start, min(start + PADDING_BYTES, stop))
        rest = padding.lstrip(b"\0")
        if rest:
            raise TarError(
                f"it goes on at byte {start + len(padding) - len(rest)}, after its end mark at byte {place}: "
                "if several tars have been joined, give each of them"
            )
    if stop < size_bytes:
        raise TarError(f"from byte {place} on there are more than {MAX_PADDING_BYTES:,} bytes of padding")


def _hole_lists_bytes(read: Read, place: int) -> int:
    """How much lies between the header of a GNU sparse file and its content; each part tells whether one follows."""
    start = data = place + BLOCK_BYTES
    is_continued = read(place + 482, place + 483)
    while is_continued not in (b"", b"\0"):
        if data - start > MAX_HEADER_BYTES:
            raise TarError(f"at byte {place} there is a header of more than {MAX_HEADER_BYTES:,} bytes")
        is_continued = read(data + 504, data + 505)
        data += BLOCK_BYTES
    return data - start


def is_file_header(block: bytes, size_bytes: int) -> bool:
    """Whether a block is the header of a plain file of so many bytes."""
    is_plain = is_header(block) and block[156:157] in FILES
    return is_plain and (number(block[124:136]) == size_bytes or size_bytes >= MAX_OCTAL)


def is_header(block: bytes) -> bool:
    """Whether a block is the header of a member, by its checksum; of signed bytes, as some old programs wrote it."""
    if len(block) != BLOCK_BYTES:
        return False
    claimed = number(block[CHECKSUM])
    blank = sum(block) - sum(block[CHECKSUM]) + 8 * ord(" ")
    signed = blank - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
    return claimed in (blank, signed)


def number(field: bytes) -> int | None:
    """A number of a header: octal digits, or binary after a byte 128. None where it is none."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip()
    return int(digits or b"0", 8) if re.fullmatch(rb"[0-7]*", digits) else None


def _name(header: bytes) -> str:
    name, prefix = header[:100], header[345:500]
    is_posix = header[257:263] == b"ustar\0"  # GNU keeps times where POSIX has the first part of a long path
    return _text(prefix).rstrip("/") + "/" + _text(name) if is_posix and prefix[:1] != b"\0" else _text(name)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _padded(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _pax_records(data: bytes, place: int) -> dict[str, str]:
    """Records of the form `LENGTH KEY=VALUE\\n`, where the length is that of the whole record."""
    records = {}
    start = 0
    while start < len(data):
        digits = data[start : start + 8].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        key, equals, value = data[start + len(digits) + 1 : start + length].partition(b"=")
        if not equals or value[-1:] != b"\n":
            raise TarError(f"at byte {place} there are attributes that cannot be read")
        records[_text(key)] = _text(value[:-1])
        start += length
    return records


def _pax_size(text: str | None, place: int, before: int | None) -> int | None:
    """The size that attributes give, or else that of those `before` them."""
    if text is not None and not re.fullmatch(r"[0-9]{1,18}", text):
        raise TarError(f"at byte {place} there is a member without a size")
    return before if text is None else int(text)
