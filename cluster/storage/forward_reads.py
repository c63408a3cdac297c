"""Reads that go forward through a file, many to a request: of the members of a tar, and of the headers before them."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from cluster.storage.buckets import object_bytes
from cluster.storage.files import HTTP, filesystem, is_local, scheme_of
from cluster.storage.range_reader import JUMP_BYTES, MAX_BLOCK_BYTES
from cluster.storage.range_requests import Answer, NoRangesError, fetch_of
from cluster.storage.read_policy import STRICT, CopyLimitError, ReadPolicy
from cluster.storage.store_errors import is_beyond_end
from cluster.storage.tar_members import BLOCK_BYTES, TarError, TarPart

GAP_BYTES = 256 << 10  # between two reads, over which the second goes on from the first
KEPT_SECONDS = 60.0  # after which what a request has brought counts as old

Fetch = Callable[[int, int], Answer]
Retry = Callable[[Callable[[], Any]], Any]  # makes a request, and repeats it after a transient failure


def is_next(member: TarPart, other: TarPart) -> bool:
    """Whether the other member comes so soon after this one that one request may fetch both."""
    return member.uri == other.uri and 0 <= other.start - BLOCK_BYTES - member.end <= GAP_BYTES


class MemberReads(threading.local):
    """The members of a tar, as a process reads one after the other.

    A request goes on to the end of the members that are known to be wanted next; where that is not known, it grows with
    the number of those that have followed one another. Memory holds one request and one member, whose bytes are all
    from one version of the tar, whose tag is `tag`.
    """

    def __init__(self) -> None:
        self._tar = ("", "")
        self._start = 0
        self._data = b""
        self.tag = ""
        self._expiry = 0.0
        self._run_bytes = 0  # of the members that have followed one another

    def read(self, tar: tuple[str, str], fetch: Fetch, start: int, end: int, until: int) -> bytes:
        """The bytes of a tar from `start` to `end`, fewer at its end; those `until` there are next.

        tar  its URI, and its version as the members were listed
        """
        kept_end = self._start + len(self._data)
        is_kept = tar == self._tar and time.monotonic() < self._expiry
        if not is_kept or not self._start <= start <= kept_end + GAP_BYTES:
            self._tar, self._start, self._data, self._run_bytes = tar, start, b"", 0
            kept_end = start
        if end > kept_end:
            begin = min(max(start, self._start), kept_end)
            ahead = max(until - kept_end, min(self._run_bytes, MAX_BLOCK_BYTES))
            stop = max(end, kept_end + (ahead if ahead < MAX_BLOCK_BYTES * 3 // 2 else MAX_BLOCK_BYTES))
            found, kept = fetch(kept_end, stop), self._data[begin - self._start :]
            if kept and found.tag != self.tag:  # it has been replaced since
                found, kept, begin = fetch(start, stop), b"", start
            self._data, self._start, self.tag = kept + found.data, begin, found.tag
            self._expiry = time.monotonic() + KEPT_SECONDS
        self._run_bytes += end - start
        return self._data[start - self._start : end - self._start]


class HeaderReads:
    """The headers of a tar: where members are small, of many by one request, with all that lies between them.

    Raises `CopyLimitError` once they have taken longer than `limit_seconds`.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], *, is_local: bool, limit_seconds: float = math.inf) -> None:
        self._fetch = fetch
        self._is_local = is_local
        self._start = 0
        self._data = b""
        self._last = 0
        self._limit_seconds = limit_seconds
        self._deadline = time.monotonic() + limit_seconds

    def __call__(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, fewer at the end of the file."""
        if start < self._start or end > self._start + len(self._data):
            if time.monotonic() > self._deadline:
                raise CopyLimitError(f"reading the headers of its members takes more than {self._limit_seconds:g} s")
            is_near = start - self._last < MAX_BLOCK_BYTES // 4 and not self._is_local
            length = max(end - start, MAX_BLOCK_BYTES if is_near else JUMP_BYTES)
            self._data, self._start = self._fetch(start, start + length), start
        self._last = start
        return self._data[start - self._start : end - self._start]


def read_range(fs: Any, path: str, retry: Retry, start: int, end: int) -> Answer:
    """A range of a tar, fewer bytes where it ends before. Raises what its store does."""
    try:
        answer: Answer = retry(lambda: fetch_of(fs)(fs, path, start, end))
    except NoRangesError as error:
        raise TarError(str(error)) from None
    except Exception as error:
        if is_beyond_end(error):
            return Answer(b"", None, "")
        raise
    return answer


def open_headers(
    uri: str, retry: Retry, policy: ReadPolicy = STRICT, size_bytes: int | None = None
) -> tuple[HeaderReads, int]:
    """What `storage.tar_members` needs of the tar at `uri`. Raises what its store does."""
    fs, path = filesystem(uri, policy)
    if is_local(uri):
        size_bytes = os.stat(path).st_size
    elif size_bytes is None:
        size_bytes = retry(lambda: object_bytes(fs, path))
    if size_bytes is None:
        raise TarError("its server does not tell its size")
    # A server that nobody knows may send headers for ever.
    limit_seconds = policy.copy_seconds if scheme_of(uri) in HTTP else math.inf
    read = partial(read_range, fs, path, retry)
    return HeaderReads(
        lambda start, end: read(start, end).data, is_local=is_local(uri), limit_seconds=limit_seconds
    ), size_bytes
