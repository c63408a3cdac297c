"""Opening a video by its URI: a path on a local disk, else a file object that reads ahead of the decoder.

Only a server without range requests makes a local copy necessary. Transient failures are retried; a permanent one
becomes a `VideoError` whose code says whether the queue should retry the video later.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import IO, Any, cast

from cluster.storage.files import STALL_SECONDS, StorageError, filesystem, is_local
from cluster.storage.range_reader import RangeReader
from cluster.storage.read_policy import STRICT, CopyLimitError, ReadPolicy
from cluster.storage.redaction import redacted_uri
from cluster.storage.retry import RetryPolicy
from cluster.storage.store_errors import StoreFailure, describe, store_failure_of
from extractors.video.media import Source
from schemas.outcomes import FailureCode, Stage, VideoError

# For one request; the queue retries the video as a whole for longer.
RETRY_POLICY = RetryPolicy(total_seconds=20.0)
CODES = {
    StoreFailure.MISSING: FailureCode.MISSING,
    StoreFailure.BAD_ADDRESS: FailureCode.MISSING,
    StoreFailure.DENIED: FailureCode.NO_PERMISSION,
}  # any other failure may be gone later


class NoRangesError(Exception):
    """The server ignores the range of a request and answers with the whole file."""


Retry = Callable[[Callable[[], Any]], Any]  # makes a request, and repeats it after a transient failure


@contextmanager
def open_video(uri: str, retry_policy: RetryPolicy | None = None, *, policy: ReadPolicy = STRICT) -> Iterator[Source]:
    """The video at `uri` for the decoder; storage failures become `VideoError`s."""
    try:
        fs, path = filesystem(uri, policy)
    except StorageError as error:
        raise VideoError(FailureCode.MISSING, str(error), Stage.READ) from error
    if is_local(uri):
        yield path
        return
    retry = partial((retry_policy or RETRY_POLICY).call, redacted_uri(uri))
    with _failures_as_video_errors():
        info = retry(lambda: fs.info(path, timeout=STALL_SECONDS))
    if info.get("size") == 0:
        raise _empty()
    reader = _open_ranges(fs, path, info, retry)
    if reader is None:
        with tempfile.TemporaryFile() as copy:
            with _failures_as_video_errors():
                retry(lambda: _copy(fs, path, copy, policy))
            yield copy
        return
    with reader:
        try:
            yield cast(IO[bytes], reader)
        except Exception as error:
            if reader.failure is None:
                raise
            raise _as_video_error(reader.failure) from error  # the decoder only saw the file end
        if reader.failure is not None:
            raise _as_video_error(reader.failure)


def _open_ranges(fs: Any, path: str, info: dict[str, Any], retry: Retry) -> RangeReader | None:
    """A reader that has read the head of the file; None where the server has no range requests."""
    size_bytes = info.get("size")
    if size_bytes is None or not info.get("partial", True):
        return None
    fetch = _http_range if "http" in fs.protocol else _object_range
    reader = RangeReader(lambda start, end: retry(lambda: fetch(fs, path, start, end)), size_bytes)
    try:
        with _failures_as_video_errors():
            reader.read(1)
    except NoRangesError:
        reader.close()
        return None
    except VideoError:
        reader.close()
        raise
    reader.seek(0)
    return reader


def _object_range(fs: Any, path: str, start: int, end: int) -> bytes:
    data: bytes = fs.cat_file(path, start=start, end=end, timeout=STALL_SECONDS)
    return data


def _http_range(fs: Any, url: str, start: int, end: int) -> bytes:
    from fsspec.asyn import sync

    # fsspec's own call accepts a whole file in place of the requested range.
    data: bytes = sync(fs.loop, _request_range, fs, url, start, end, timeout=STALL_SECONDS)
    return data


async def _request_range(fs: Any, url: str, start: int, end: int) -> bytes:
    session = await fs.set_session()
    headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
    async with session.get(fs.encode_url(url), headers=headers) as response:
        response.raise_for_status()
        if response.status != HTTPStatus.PARTIAL_CONTENT and (start or response.content_length != end):
            raise NoRangesError
        parts, left = [], end - start
        while left and (part := await response.content.read(left)):  # a server may send more
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


def _copy(fs: Any, path: str, copy: IO[bytes], policy: ReadPolicy) -> None:
    from cluster.storage.http_copy import copy_file

    try:
        copy_file(fs, path, copy, policy.copy_bytes, policy.copy_seconds)
    except CopyLimitError as error:
        message = f"{error} (--copy-limit-mib, --copy-time-limit), as its server sends no parts of it"
        raise VideoError(FailureCode.COPY_LIMIT, message, Stage.READ) from error
    if not copy.tell():
        raise _empty()
    copy.seek(0)


def _empty() -> VideoError:
    return VideoError(FailureCode.EMPTY, "the object is empty", Stage.READ)


@contextmanager
def _failures_as_video_errors() -> Iterator[None]:
    try:
        yield
    except (VideoError, NoRangesError):
        raise
    except Exception as error:
        raise _as_video_error(error) from error


def _as_video_error(error: Exception) -> VideoError:
    failure = store_failure_of(error)
    code = CODES.get(failure, FailureCode.STORAGE)
    message = describe(error)
    return VideoError(code, message if failure in CODES else f"reading failed: {message}", Stage.READ)
