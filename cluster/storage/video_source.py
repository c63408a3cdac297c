"""Opening a video by its URI: a path on a local disk, else a file object that reads ahead of the decoder.

The first request is for the head of the file, of up to `WHOLE_BYTES`: it also tells the size of a file that has no
more, so that a small one is one request. Only a server without range requests makes a local copy necessary. Members of
a tar are read where they are (`storage.tar_members`). Transient failures are retried; a permanent one becomes a
`VideoError` whose code says whether the queue should retry the video later.
"""

from __future__ import annotations

import errno
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, cast

from cluster.storage.buckets import object_bytes
from cluster.storage.files import StorageError, filesystem, is_local
from cluster.storage.forward_reads import MemberReads, Retry, open_headers, read_range
from cluster.storage.range_reader import MAX_BLOCK_BYTES, MIN_BLOCK_BYTES, RUN_FRACTION, WHOLE_BYTES, RangeReader
from cluster.storage.range_requests import Answer, NoRangesError, fetch_of
from cluster.storage.read_policy import STRICT, CopyLimitError, ReadPolicy
from cluster.storage.redaction import redacted_uri
from cluster.storage.retry import RetryPolicy
from cluster.storage.store_errors import StoreFailure, describe, store_failure_of
from cluster.storage.tar_members import (
    BLOCK_BYTES,
    TarError,
    TarPart,
    is_file_header,
    is_tar,
    part_of,
    tar_members,
    version_of_tar,
)
from extractors.video.media import Source
from schemas.outcomes import FailureCode, Stage, VideoError

# For one request; the queue retries the video as a whole for longer.
RETRY_POLICY = RetryPolicy(total_seconds=20.0)
UNKNOWN_HEAD_BYTES = 1 << 20  # of a file of unknown size, of which only a part is likely to be wanted
COPY_OPTIONS = "--copy-limit-mib, --copy-time-limit"
CODES = {
    StoreFailure.MISSING: FailureCode.MISSING,
    StoreFailure.BAD_ADDRESS: FailureCode.MISSING,
    StoreFailure.DENIED: FailureCode.NO_PERMISSION,
}  # any other failure may be gone later

_member_reads = MemberReads()


@contextmanager
def open_video(
    uri: str,
    retry_policy: RetryPolicy | None = None,
    *,
    policy: ReadPolicy = STRICT,
    size_bytes: int | None = None,
    reads_all: bool = True,
    read_until: int = 0,
    version: str = "",
) -> Iterator[Source]:
    """The video at `uri` for the decoder; storage failures become `VideoError`s.

    size_bytes  of the file, where a listing has told it
    reads_all   whether it is likely to be read to its end; otherwise less is read of a large one at first
    read_until  of a tar's member: up to which byte of the tar the members after it are wanted next
    version     likewise: the version of the member that is wanted, where it is known
    """
    part = part_of(uri)
    try:
        fs, path = filesystem(part.uri if part else uri, policy)
    except StorageError as error:
        raise VideoError(FailureCode.MISSING, str(error), Stage.READ) from error
    if size_bytes == 0:
        raise _empty()
    retry = partial((retry_policy or RETRY_POLICY).call, redacted_uri(uri))
    if is_tar(uri):
        raise _problem_of_tar(uri, policy, retry)
    if part is None and is_local(uri):
        yield path
        return
    with _failures_as_video_errors():
        if part is None:
            source = _open_ranges(fs, path, retry, size_bytes, reads_all=reads_all)
        else:
            source = _open_member(part, partial(read_range, fs, path, retry), read_until, version)
    if source is None:
        with tempfile.TemporaryFile() as copy:
            with _failures_as_video_errors():
                retry(lambda: _copy(fs, path, copy, policy))
            yield copy
        return
    with source:
        try:
            yield cast(IO[bytes], source)
        except Exception as error:
            if source.failure is None:
                raise
            raise _as_video_error(source.failure) from error  # the decoder only saw the file end
        if source.failure is not None:
            raise _as_video_error(source.failure)


def _open_member(part: TarPart, fetch: Callable[[int, int], Answer], read_until: int, version: str) -> RangeReader:
    """The reader of a tar's member; a small one is read at once, in a bucket together with those after it."""
    is_small = part.size_bytes <= WHOLE_BYTES
    start, end = part.start - BLOCK_BYTES, part.end if is_small else part.start + MAX_BLOCK_BYTES
    if is_local(part.uri):
        content, _, tag = fetch(start, end)
    else:
        tar = part.uri, version_of_tar(version)
        content = _member_reads.read(tar, fetch, start, end, read_until if is_small else end)
        tag = _member_reads.tag
    if len(content) >= BLOCK_BYTES and not is_file_header(content[:BLOCK_BYTES], part.size_bytes):
        message = (
            "its tar has no plain file at that place: it is a link, a device or a sparse file, or the tar has been "
            "replaced since it was listed"
        )
        raise VideoError(FailureCode.NOT_MEDIA, message, Stage.READ)
    if len(content) < end - start:
        raise VideoError(FailureCode.TRUNCATED, "its tar ends before it does: provide the whole tar", Stage.READ)
    if not part.size_bytes:
        raise _empty()
    return RangeReader(
        lambda first, last: _of_version(tag, fetch(part.start + first, part.start + last)),
        part.size_bytes,
        content[BLOCK_BYTES:],
    )


def _problem_of_tar(uri: str, policy: ReadPolicy, retry: Retry) -> VideoError:
    """Why a tar is in a plan, and not its members alone."""
    try:
        with _failures_as_video_errors():
            deque(tar_members(*open_headers(uri, retry, policy)), maxlen=0)
    except VideoError as error:
        return error
    return VideoError(FailureCode.STORAGE, "it could not be listed when the run began, and can be now", Stage.READ)


def _open_ranges(fs: Any, path: str, retry: Retry, size_bytes: int | None, *, reads_all: bool) -> RangeReader | None:
    """A reader that has read the head of the file; None where the server has no ranges, or tells no size."""
    fetch = fetch_of(fs)
    asked = _head_bytes(size_bytes, reads_all=reads_all)
    try:
        head, total, tag = retry(lambda: fetch(fs, path, 0, asked))
    except NoRangesError:
        return None
    except Exception as error:
        # Stores refuse a range of which a file has nothing.
        if store_failure_of(error) is StoreFailure.PERMANENT and _is_empty(fs, path):
            raise _empty() from error
        raise
    if not head:
        raise _empty()
    if total is None:
        is_known = size_bytes is not None and size_bytes > asked
        total = size_bytes if is_known else retry(lambda: object_bytes(fs, path))
    if total is None:
        return None
    if len(head) < min(asked, total):
        raise OSError(errno.EIO, f"requested {min(asked, total):,} bytes, received {len(head):,}")
    return RangeReader(lambda start, end: _of_version(tag, retry(lambda: fetch(fs, path, start, end))), total, head)


def _of_version(tag: str, answer: Answer) -> bytes:
    """The bytes of an answer, unless its tag is another one than that of the head, and each has one."""
    if tag and answer.tag and answer.tag != tag:
        raise OSError(errno.EIO, "it has been replaced while it was read")
    return answer.data


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


def _copy(fs: Any, path: str, copy: IO[bytes], policy: ReadPolicy) -> None:
    from cluster.storage.http_copy import copy_file

    try:
        copy_file(fs, path, copy, policy.copy_bytes, policy.copy_seconds)
    except CopyLimitError as error:
        message = f"{error} ({COPY_OPTIONS}), as its server sends no parts of it"
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
    except TarError as error:
        message = f"members of the tar are missing: {error}; provide the whole tar"
        raise VideoError(FailureCode.DAMAGED, message, Stage.READ) from error
    except CopyLimitError as error:
        raise VideoError(FailureCode.COPY_LIMIT, f"{error} ({COPY_OPTIONS})", Stage.READ) from error
    except Exception as error:
        raise _as_video_error(error) from error


def _as_video_error(error: Exception) -> VideoError:
    failure = store_failure_of(error)
    code = CODES.get(failure, FailureCode.STORAGE)
    message = describe(error)
    return VideoError(code, message if failure in CODES else f"reading failed: {message}", Stage.READ)
