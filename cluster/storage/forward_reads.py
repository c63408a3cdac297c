"""Reads that go forward through a file, many to a request: of the members of a tar, and of the headers before them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from cluster.storage.buckets import object_bytes
from cluster.storage.files import filesystem, is_local
from cluster.storage.range_reader import JUMP_BYTES, MAX_BLOCK_BYTES
from cluster.storage.range_requests import NoRangesError, fetch_of
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.tar_members import BLOCK_BYTES, TarError, TarPart

GAP_BYTES = 256 << 10  # between two reads, over which the second goes on from the first

Read = Callable[[int, int], bytes]
Retry = Callable[[Callable[[], Any]], Any]  # makes a request, and repeats it after a transient failure


def is_next(member: TarPart, other: TarPart) -> bool:
    """Whether the other member comes so soon after this one that one request may fetch both."""
    return member.uri == other.uri and 0 <= other.start - BLOCK_BYTES - member.end <= GAP_BYTES


class MemberReads(threading.local):
    """The members of a tar, as a process reads one after the other.

    A request goes on to the end of the members that are known to be wanted next; where that is not known, it grows with
    the number of those that have followed one another. Memory holds one request and one member.
    """

    def __init__(self) -> None:
        self._uri = ""
        self._start = 0
        self._data = b""
        self._run_bytes = 0  # of the members that have followed one another

    def read(self, uri: str, fetch: Read, start: int, end: int, until: int) -> bytes:
        """The bytes of `uri` from `start` to `end`, fewer at the end of the file; those `until` there are next."""
        kept_end = self._start + len(self._data)
        if uri != self._uri or not self._start <= start <= kept_end + GAP_BYTES:
            self._uri, self._start, self._data, self._run_bytes = uri, start, b"", 0
            kept_end = start
        if end > kept_end:
            begin = min(max(start, self._start), kept_end)
            ahead = max(until - kept_end, min(self._run_bytes, MAX_BLOCK_BYTES))
            stop = max(end, kept_end + (ahead if ahead < MAX_BLOCK_BYTES * 3 // 2 else MAX_BLOCK_BYTES))
            self._data, self._start = self._data[begin - self._start :] + fetch(kept_end, stop), begin
        self._run_bytes += end - start
        return self._data[start - self._start : end - self._start]


class HeaderReads:
    """The headers of a tar: where members are small, of many by one request, with all that lies between them."""

    def __init__(self, fetch: Read, *, is_local: bool) -> None:
        self._fetch = fetch
        self._is_local = is_local
        self._start = 0
        self._data = b""
        self._last = 0

    def __call__(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, fewer at the end of the file."""
        if start < self._start or end > self._start + len(self._data):
            is_near = start - self._last < MAX_BLOCK_BYTES // 4 and not self._is_local
            length = max(end - start, MAX_BLOCK_BYTES if is_near else JUMP_BYTES)
            self._data, self._start = self._fetch(start, start + length), start
        self._last = start
        return self._data[start - self._start : end - self._start]


def read_range(fs: Any, path: str, retry: Retry, start: int, end: int) -> bytes:
    """A range of a tar, fewer bytes where it ends before. Raises what its store does."""
    try:
        data: bytes = retry(lambda: fetch_of(fs)(fs, path, start, end))[0]
    except NoRangesError:
        raise TarError("its server sends no parts of files") from None
    return data


def open_headers(
    uri: str, retry: Retry, policy: ReadPolicy = STRICT, size_bytes: int | None = None
) -> tuple[HeaderReads, int]:
    """What `storage.tar_members` needs of the tar at `uri`. Raises what its store does."""
    fs, path = filesystem(uri, policy)
    if is_local(uri):
        size_bytes = os.stat(path).st_size
    elif size_bytes is None:
        size_bytes = retry(lambda: object_bytes(fs, path))
    return HeaderReads(partial(read_range, fs, path, retry), is_local=is_local(uri)), size_bytes
