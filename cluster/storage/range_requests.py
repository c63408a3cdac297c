"""Requests for parts of files, from every kind of store.

In: a URI's file system, its path there, and two places. Out: an `Answer`. Nothing is retried here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple

from cluster.storage.files import STALL_SECONDS

SLOWEST_BYTES_PER_SECOND = 65_536  # of a connection that bytes come over; of one that stalls, its client tells
CONTENT_RANGE = re.compile(r"bytes[ :=]+(\d{1,18})-\d{1,18}/(?:(\d{1,18})|\*)", re.IGNORECASE)


class Answer(NamedTuple):
    """The bytes between two places of a file, fewer where it ends before.

    total_bytes  the size of the file, where the answer tells it
    tag          differs once the file has been replaced; empty where the store has none
    """

    data: bytes
    total_bytes: int | None
    tag: str


Fetch = Callable[[Any, str, int, int], Answer]


class NoRangesError(Exception):
    """The server answers with something else than the range of a request, such as the whole file."""


def fetch_of(fs: Any) -> Fetch:
    """The function that makes such requests of a file system (`storage.files.filesystem`)."""
    if fs is None:
        return _local_range
    return next(fetch for protocol, fetch in _FETCHES.items() if protocol in fs.protocol)


def _local_range(fs: Any, path: str, start: int, end: int) -> Answer:
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        return Answer(os.pread(file.fileno(), end - start, start), found.st_size, f"{found.st_ino}@{found.st_mtime_ns}")


def _gcs_range(fs: Any, path: str, start: int, end: int) -> Answer:
    headers, data = fs.call("GET", fs.url(path), headers=_headers(start, end), timeout=_limit_seconds(start, end))
    return _of_store(data, start, end, headers.get("X-Goog-Generation"))


def _s3_range(fs: Any, path: str, start: int, end: int) -> Answer:
    from fsspec.asyn import sync

    bucket, key, _ = fs.split_path(path)

    async def read() -> Answer:
        found = await fs._call_s3("get_object", Bucket=bucket, Key=key, **_headers(start, end))
        async with found["Body"] as body:
            return _of_store(await body.read(), start, end, found.get("ETag"))

    answer: Answer = sync(fs.loop, read, timeout=_limit_seconds(start, end))
    return answer


def _of_store(data: bytes, start: int, end: int, tag: str | None) -> Answer:
    """The answer of a store, which sends less than it is asked for at the end of a file alone."""
    return Answer(data, start + len(data) if len(data) < end - start else None, tag or "")


def _http_range(fs: Any, url: str, start: int, end: int) -> Answer:
    from fsspec.asyn import sync

    # fsspec's own call accepts a whole file in place of the requested range.
    answer: Answer = sync(fs.loop, _request_range, fs, url, start, end, timeout=_limit_seconds(start, end))
    return answer


async def _request_range(fs: Any, url: str, start: int, end: int) -> Answer:
    session = await fs.set_session()
    headers = {**_headers(start, end), "Accept-Encoding": "identity"}
    async with session.get(fs.encode_url(url), headers=headers) as response:
        response.raise_for_status()
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            sent = CONTENT_RANGE.match(response.headers.get("Content-Range", "").strip())
            if sent is None or int(sent[1]) != start:
                raise NoRangesError("its server sends another part of it than it is asked for")
            total = int(sent[2]) if sent[2] else None
        elif not start and response.content_length == end:
            total = end
        else:
            raise NoRangesError("its server sends no parts of it")
        parts, left = [], end - start
        while left and (part := await response.content.read(left)):  # a server may send more
            parts.append(part)
            left -= len(part)
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
        return Answer(b"".join(parts), total, tag)


def _limit_seconds(start: int, end: int) -> float:
    """How long the whole request may take."""
    return STALL_SECONDS + (end - start) / SLOWEST_BYTES_PER_SECOND


def _headers(start: int, end: int) -> dict[str, str]:
    return {"Range": f"bytes={start}-{end - 1}"}


_FETCHES: dict[str, Fetch] = {"http": _http_range, "gs": _gcs_range, "s3": _s3_range}
