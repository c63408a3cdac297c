"""Opening a video by its URI: a path where it is on a local disk, else a file object that reads ahead of the decoder.

Only a server that serves no parts of files makes a copy on this machine's disk necessary. A request that fails in
passing is made again; what lasts becomes a `VideoError` whose code says whether the queue should try the video later.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import IO, Any, cast

from fsspec.asyn import sync

from cluster.storage.files import STALL_SECONDS, StorageError, filesystem, is_local
from cluster.storage.range_reader import RangeReader
from cluster.storage.redaction import redacted
from cluster.storage.retry import RetryPolicy
from cluster.storage.store_errors import StoreFailure, describe, store_failure_of
from extractors.video.media import Source
from schemas.outcomes import FailureCode, Stage, VideoError

# For one request; the queue has more patience with the video as a whole.
PATIENCE = RetryPolicy(total_seconds=20.0)
COPY_BYTES = 1 << 20
CODES = {
    StoreFailure.MISSING: FailureCode.MISSING,
    StoreFailure.BAD_ADDRESS: FailureCode.MISSING,
    StoreFailure.DENIED: FailureCode.NO_PERMISSION,
}  # anything else may have another answer later


class NoRangesError(Exception):
    """The server answers with the whole file to whoever asks for a part of it."""


Ask = Callable[[Callable[[], Any]], Any]  # makes a call, and again where trouble may pass


@contextmanager
def open_video(uri: str, patience: RetryPolicy | None = None) -> Iterator[Source]:
    """The video at `uri`, as the decoder wants it; storage trouble becomes a `VideoError`."""
    try:
        fs, path = filesystem(uri)
    except StorageError as error:
        raise VideoError(FailureCode.MISSING, str(error), Stage.READ) from error
    if is_local(uri):
        yield path
        return
    ask = partial((patience or PATIENCE).call, redacted(uri))
    with _stated():
        info = ask(lambda: fs.info(path, timeout=STALL_SECONDS))
    if info.get("size") == 0:
        raise _empty()
    reader = _open_ranges(fs, path, info, ask)
    if reader is None:
        with tempfile.TemporaryFile() as copy:
            with _stated():
                ask(lambda: _copy(fs, path, copy))
            yield copy
        return
    with reader:
        try:
            yield cast(IO[bytes], reader)
        except Exception as error:
            if reader.trouble is None:
                raise
            raise _as_video_error(reader.trouble) from error  # the decoder saw only a file that ended
        if reader.trouble is not None:
            raise _as_video_error(reader.trouble)


def _open_ranges(fs: Any, path: str, info: dict[str, Any], ask: Ask) -> RangeReader | None:
    """A reader that has read the head of the file; None where the server serves no parts."""
    size_bytes = info.get("size")
    if size_bytes is None or not info.get("partial", True):
        return None
    fetch = _range_of_page if "http" in fs.protocol else _range_of_object
    reader = RangeReader(lambda start, end: ask(lambda: fetch(fs, path, start, end)), size_bytes)
    try:
        with _stated():
            reader.read(1)
    except NoRangesError:
        reader.close()
        return None
    except VideoError:
        reader.close()
        raise
    reader.seek(0)
    return reader


def _range_of_object(fs: Any, path: str, start: int, end: int) -> bytes:
    data: bytes = fs.cat_file(path, start=start, end=end, timeout=STALL_SECONDS)
    return data


def _range_of_page(fs: Any, url: str, start: int, end: int) -> bytes:
    # fsspec's own call would take a whole file for the part that it was asked for.
    data: bytes = sync(fs.loop, _request_range, fs, url, start, end, timeout=STALL_SECONDS)
    return data


async def _request_range(fs: Any, url: str, start: int, end: int) -> bytes:
    session = await fs.set_session()
    headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
    async with session.get(fs.encode_url(url), headers=headers) as response:
        response.raise_for_status()
        if response.status != HTTPStatus.PARTIAL_CONTENT and (start or response.content_length != end):
            raise NoRangesError
        data: bytes = await response.read()
        return data


def _copy(fs: Any, path: str, copy: IO[bytes]) -> None:
    copy.seek(0)
    copy.truncate()
    with fs.open(path, "rb", block_size=0) as file:  # as a stream
        shutil.copyfileobj(file, copy, COPY_BYTES)
    if not copy.tell():
        raise _empty()
    copy.seek(0)


def _empty() -> VideoError:
    return VideoError(FailureCode.EMPTY, "the object is empty", Stage.READ)


@contextmanager
def _stated() -> Iterator[None]:
    try:
        yield
    except (VideoError, NoRangesError):
        raise
    except Exception as error:
        raise _as_video_error(error) from error


def _as_video_error(error: Exception) -> VideoError:
    trouble = store_failure_of(error)
    code = CODES.get(trouble, FailureCode.STORAGE)
    message = describe(error)
    return VideoError(code, message if trouble in CODES else f"reading it failed: {message}", Stage.READ)
