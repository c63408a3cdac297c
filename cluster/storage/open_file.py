"""A file that is read from its start to its end, of any size: memory holds little of one on a disk or in a bucket.

Where an http server sends it, memory holds all of it, up to `files.HTTP_READ_BYTES`.
"""

from __future__ import annotations

import io
import os
import stat
from functools import partial
from typing import Any

from cluster.storage.buckets import is_bucket, object_bytes
from cluster.storage.files import StorageError, call_store, filesystem, is_local, read_bytes
from cluster.storage.range_reader import WHOLE_BYTES, RangeReader
from cluster.storage.range_requests import fetch_of
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.redaction import redacted_uri

OpenFile = io.RawIOBase | io.BytesIO


def open_file(uri: str, policy: ReadPolicy = STRICT) -> OpenFile:
    """The file, at its start. To be closed.

    Raises:
        OSError, StorageError: where it cannot be read, now or while it is read.
    """
    fs, path = filesystem(uri, policy)
    if is_local(uri):
        file = io.FileIO(path)
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        with file:  # a pipe, whose size nobody knows
            return io.BytesIO(file.readall())
    if is_bucket(uri):
        size_bytes = call_store(uri, lambda: object_bytes(fs, path))
        if size_bytes is not None and size_bytes > WHOLE_BYTES and (reader := _in_ranges(uri, fs, path, size_bytes)):
            return reader
    return io.BytesIO(read_bytes(uri, policy))


def size_of(file: OpenFile) -> int:
    """The size in bytes of a file at its start."""
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size_bytes


def _in_ranges(uri: str, fs: Any, path: str, size_bytes: int) -> RangeReader | None:
    """A reader of a large object; None where the store unpacks it on the way, which it does as a whole."""
    fetch = fetch_of(fs)
    head = call_store(uri, lambda: fetch(fs, path, 0, WHOLE_BYTES))
    if len(head.data) != WHOLE_BYTES:
        return None

    def read(start: int, end: int) -> bytes:
        found = call_store(uri, partial(fetch, fs, path, start, end))
        if found.tag != head.tag:
            raise StorageError(f"{redacted_uri(uri)}: it has been replaced while it was read")
        return found.data

    reader = RangeReader(read, size_bytes, head.data)
    reader.expect_all()
    return reader
