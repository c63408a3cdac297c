"""Reading members of untrusted tar archives.

In: a .tar, .tar.gz or .tgz file and the names of the members to read, or the ends of their paths. Out: their bytes by
these names. Nothing is written to disk, so that paths, links and permissions of members are harmless; only regular
files are read, none with holes (sparse ones), which may claim any size; and neither the bytes that are unpacked,
headers included, nor the number of members can exceed a limit, which stops decompression bombs.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import IO

GZIP_MAGIC = b"\x1f\x8b"
MAX_MEMBERS = 10_000


class ArchiveError(ValueError):
    """The archive is damaged, too large, or lacks a member."""


class BoundedReader:
    """A reader of at most `limit_bytes` in total."""

    def __init__(self, stream: IO[bytes], *, limit_bytes: int) -> None:
        self.stream = stream
        self.remaining_bytes = limit_bytes

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes like a file; raises `ArchiveError` beyond the limit."""
        if size < 0 or size > self.remaining_bytes:
            raise ArchiveError("the archive unpacks to more than its size limit")
        chunk = self.stream.read(size)
        self.remaining_bytes -= len(chunk)
        return chunk


def read_members(path: Path, names: Collection[str], *, limit_bytes: int) -> dict[str, bytes]:
    """The contents of the members whose paths are, or end in, one of `names` (`NAME`, `FOLDER/NAME`).

    Raises:
        ArchiveError: if the archive cannot be read, unpacks to more than `limit_bytes`, or lacks one of the names.
    """
    found: dict[str, bytes] = {}
    with path.open("rb") as raw:
        is_gzip = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        stream: IO[bytes] = gzip.GzipFile(fileobj=raw) if is_gzip else raw  # type: ignore[assignment]
        try:
            bounded = BoundedReader(stream, limit_bytes=limit_bytes)
            with tarfile.open(fileobj=bounded, mode="r|") as archive:  # type: ignore[call-overload]
                for number, member in enumerate(archive):
                    if number == MAX_MEMBERS:
                        raise ArchiveError(f"it has more than {MAX_MEMBERS:,} members")
                    path_in_it = f"/{PurePosixPath(member.name)}"
                    name = next((name for name in names if path_in_it.endswith(f"/{name}")), None)
                    if name is not None and name not in found and member.isreg():
                        found[name] = _content(archive, member, limit_bytes)
        except (tarfile.TarError, zlib.error, EOFError, OSError, ArchiveError) as error:
            raise ArchiveError(f"cannot read {path} within {limit_bytes:,} bytes: {error}") from error
    missing = sorted(set(names) - set(found))
    if missing:
        found_names = ", ".join(sorted(found)) or "none of them"
        raise ArchiveError(f"{path} lacks {', '.join(missing)}; of the required members it has {found_names}")
    return found


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, limit_bytes: int) -> bytes:
    if member.issparse():
        raise ArchiveError(f"{member.name} is stored with holes: pack it again without --sparse")
    if member.size > limit_bytes:
        raise ArchiveError(f"{member.name} claims {member.size:,} bytes")
    content = archive.extractfile(member)
    assert content is not None  # a regular file has content
    return content.read()
