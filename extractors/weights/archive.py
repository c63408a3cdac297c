"""Named members out of a tar archive that nobody vouches for.

In: a .tar, .tar.gz or .tgz file and the base names of the members wanted. Out: their bytes, by base name. Nothing is
written to disk, so that a member's path, links and permissions cannot do harm; only regular files count; no more than a
given number of bytes is ever decompressed, which bounds bombs, headers included.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import IO

GZIP_MAGIC = b"\x1f\x8b"


class ArchiveError(ValueError):
    """The archive is damaged, too large, or lacks a member."""


class BoundedReader:
    """A reader that refuses to give more than `limit_bytes` in all."""

    def __init__(self, stream: IO[bytes], *, limit_bytes: int) -> None:
        self.stream = stream
        self.left_bytes = limit_bytes

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, as a file does."""
        if size < 0 or size > self.left_bytes:
            raise ArchiveError("the archive unpacks to more than its size limit")
        chunk = self.stream.read(size)
        self.left_bytes -= len(chunk)
        return chunk


def read_members(path: Path, names: Collection[str], *, limit_bytes: int) -> dict[str, bytes]:
    """The members called `names`, wherever they lie in the archive.

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
                for member in archive:
                    name = PurePosixPath(member.name).name
                    if name in names and name not in found and member.isreg():
                        content = archive.extractfile(member)
                        assert content is not None  # a regular file has content
                        found[name] = content.read()
        except (tarfile.TarError, zlib.error, EOFError, OSError, ArchiveError) as error:
            raise ArchiveError(f"cannot read {path} within {limit_bytes:,} bytes: {error}") from error
    missing = sorted(set(names) - set(found))
    if missing:
        raise ArchiveError(f"{path} lacks {', '.join(missing)}; it has {', '.join(sorted(found)) or 'none of them'}")
    return found
