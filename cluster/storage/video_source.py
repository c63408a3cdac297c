"""Opening a video by its URI: a path on a local disk, else a file object that reads ahead of the decoder.

The first request is for the head of the file, of up to `WHOLE_BYTES`: it also tells the size of a file that has no more,
so that a small one is one request. Only a server without range requests makes a local copy necessary. Transient failures
are retried; a permanent one becomes a `VideoError` whose code says whether the queue should retry the video later.
"""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import IO, Any, cast

from fsspec.asyn import sync

from cluster.storage.buckets import object_bytes
from cluster.storage.files import STALL_SECONDS, StorageError, filesystem, is_local
from cluster.storage.http_copy import CopyLimitError, copy_file
from cluster.storage.range_reader import MAX_BLOCK_BYTES, MIN_BLOCK_BYTES, RUN_FRACTION, WHOLE_BYTES, RangeReader
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.redaction import redacted_uri
from cluster.storage.retry import RetryPolicy
from cluster.storage.store_errors import StoreFailure, describe, store_failure_of
from extractors.video.media import Source
from schemas.outcomes import FailureCode, Stage, VideoError

# For one request; the queue retries the video as a whole for longer.
RETRY_POLICY = RetryPolicy(total_seconds=20.0)
UNKNOWN_HEAD_BYTES = 1 << 20  # of a file of unknown size, of which only a part is likely to be wanted
SIZE = re.compile(r"/(\d{1,18})$")  # at the end of `Content-Range`
CODES = {
    StoreFailure.MISSING: FailureCode.MISSING,
    StoreFailure.BAD_ADDRESS: FailureCode.MISSING,
    StoreFailure.DENIED: FailureCode.NO_PERMISSION,
}  # any other failure may be gone later


class NoRangesError(Exception):
    """The server ignores the range of a request and answers with the whole file."""


Retry = Callable[[Callable[[], Any]], Any]  # makes a request, and repeats it after a transient failure


@contextmanager
def open_video(
    uri: str,
    retry_policy: RetryPolicy | None = None,
    *,
    policy: ReadPolicy = STRICT,
    size_bytes: int | None = None,
    reads_all: bool = True,
) -> Iterator[Source]:
    """The video at `uri` for the decoder; storage failures become `VideoError`s.

    size_bytes  of the file, where a listing has told it
    reads_all   whether it is likely to be read to its end; otherwise less is read of a large one at first
    """
    try:
        fs, path = filesystem(uri, policy)
    except StorageError as error:
        raise VideoError(FailureCode.MISSING, str(error), Stage.READ) from error
    if is_local(uri):
        yield path
        return
    if size_bytes == 0:
        raise _empty()
    retry = partial((retry_policy or RETRY_POLICY).call, redacted_uri(uri))
    with _failures_as_video_errors():
        reader = _open_ranges(fs, path, retry, size_bytes, reads_all=reads_all)
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


def _open_ranges(fs: Any, path: str, retry: Retry, size_bytes: int | None, *, reads_all: bool) -> RangeReader | None:
    """A reader that has read the head of the file; None where the server has no range requests."""
    fetch = _http_range if "http" in fs.protocol else _object_range
    asked = _head_bytes(size_bytes, reads_all=reads_all)
    try:
        head, total = retry(lambda: fetch(fs, path, 0, asked))
    except NoRangesError:
        return None
    except Exception as error:
        # Stores refuse a range of which a file has nothing.
        if store_failure_of(error) is StoreFailure.PERMANENT and _is_empty(fs, path):
            raise _empty() from error
        raise
    if not head:
        raise _empty()
    if total is None and len(head) != asked:
        total = len(head)
    if total is None:
        is_known = size_bytes is not None and size_bytes > asked
        total = size_bytes if is_known else retry(lambda: object_bytes(fs, path))
    if len(head) < min(asked, total):
        raise OSError(errno.EIO, f"requested {min(asked, total):,} bytes, received {len(head):,}")
    return RangeReader(lambda start, end: retry(lambda: fetch(fs, path, start, end))[0], total, head)


def _head_bytes(size_bytes: int | None, *, reads_all: bool) -> int:
    """How much is asked for first: one byte more than a small file has, which shows that it has no more."""
    if size_bytes is None:
        return WHOLE_BYTES + 1 if reads_all else UNKNOWN_HEAD_BYTES
    if size_bytes <= WHOLE_BYTES:
        return size_bytes + 1
    return min(max(size_bytes // RUN_FRACTION, MIN_BLOCK_BYTES), MAX_BLOCK_BYTES) if reads_all else MIN_BLOCK_BYTES


def _is_empty(fs: Any, path: str) -> bool:
    try:
        return object_bytes(fs, path) == 0
    except Exception:
        return False


def _object_range(fs: Any, path: str, start: int, end: int) -> tuple[bytes, int | None]:
    """A range of an object, which may end before it."""
    data: bytes = fs.cat_file(path, start=start, end=end, timeout=STALL_SECONDS)
    return data, None


def _http_range(fs: Any, url: str, start: int, end: int) -> tuple[bytes, int | None]:
    """A range of a file, and the file's size where the server tells it."""
    # fsspec's own call accepts a whole file in place of the requested range.
    found: tuple[bytes, int | None] = sync(fs.loop, _request_range, fs, url, start, end, timeout=STALL_SECONDS)
    return found


async def _request_range(fs: Any, url: str, start: int, end: int) -> tuple[bytes, int | None]:
    session = await fs.set_session()
    headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
    async with session.get(fs.encode_url(url), headers=headers) as response:
        response.raise_for_status()
        total = SIZE.search(response.headers.get("Content-Range", ""))
        if response.status != HTTPStatus.PARTIAL_CONTENT and (start or (response.content_length or end + 1) > end):
            raise NoRangesError
        parts, left = [], end - start
        while left and (part := await response.content.read(left)):  # a server may send more
            parts.append(part)
            left -= len(part)
        return b"".join(parts), int(total[1]) if total else None


def _copy(fs: Any, path: str, copy: IO[bytes], policy: ReadPolicy) -> None:
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
