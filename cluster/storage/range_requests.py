"""Requests for parts of files, from every kind of store.

In: a URI's file system, its path there, and two places. Out: the bytes between them, fewer where the file ends before,
and the file's size where the answer tells it. Nothing is retried here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from cluster.storage.files import STALL_SECONDS

SIZE = re.compile(r"/(\d{1,18})$")  # at the end of `Content-Range`

Answer = tuple[bytes, int | None]
Fetch = Callable[[Any, str, int, int], Answer]


class NoRangesError(Exception):
    """The server ignores the range of a request and answers with the whole file."""


def fetch_of(fs: Any) -> Fetch:
    """The function that makes such requests of a file system (`storage.files.filesystem`)."""
    if fs is None:
        return _local_range
    return _http_range if "http" in fs.protocol else _object_range


def _local_range(fs: Any, path: str, start: int, end: int) -> Answer:
    with open(path, "rb") as file:
        return os.pread(file.fileno(), end - start, start), None


def _object_range(fs: Any, path: str, start: int, end: int) -> Answer:
    data: bytes = fs.cat_file(path, start=start, end=end, timeout=STALL_SECONDS)
    return data, None


def _http_range(fs: Any, url: str, start: int, end: int) -> Answer:
    from fsspec.asyn import sync

    # fsspec's own call accepts a whole file in place of the requested range.
    found: Answer = sync(fs.loop, _request_range, fs, url, start, end, timeout=STALL_SECONDS)
    return found


async def _request_range(fs: Any, url: str, start: int, end: int) -> Answer:
    session = await fs.set_session()
    headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
    async with session.get(fs.encode_url(url), headers=headers) as response:
        response.raise_for_status()
        total = SIZE.search(response.headers.get("Content-Range", ""))
        if response.status != HTTPStatus.PARTIAL_CONTENT and (start or response.content_length != end):
            raise NoRangesError
        parts, left = [], end - start
        while left and (part := await response.content.read(left)):  # a server may send more
            parts.append(part)
            left -= len(part)
        return b"".join(parts), int(total[1]) if total else None
