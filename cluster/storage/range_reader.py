"""A remote file for the demuxer: a binary file object that fetches its bytes by range requests.

A run is a stretch that is read without a gap. Requests grow with the run they continue, up to `MAX_BLOCK_BYTES`, and
the next one is made while the last is being decoded; so little is read beyond the end of a segment, and no byte twice.
A file of up to `WHOLE_BYTES` is one request, and once a larger one is known to be read to its end (`expect_all`), each
request is as large as any.
Blocks are cached: demuxers return to the head of the file after reading an index at its end, and alternate between
pictures and sound where those are stored apart.
"""

from __future__ import annotations

import errno
import io
import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from typing_extensions import Buffer, override

MIN_BLOCK_BYTES = 256 << 10
JUMP_BYTES = 16 << 10  # first request after a seek, which may be for a box of a few bytes
MAX_BLOCK_BYTES = 4 << 20
WHOLE_BYTES = 8 << 20  # a file that is no larger is read at once, whatever is wanted of it
RUN_FRACTION = 24  # a request adds at most 1/24 to its run; with one more in flight, less than a tenth is wasted
CACHED_BYTES = 32 << 20


def requests_of(size_bytes: int, *, in_tar: bool = False) -> float:
    """How many requests a file of that size takes, with its index in front, that is read to its end.

    Of a member of a tar, its share of those that it is read by, together with its neighbours.
    """
    if in_tar:
        return size_bytes / MAX_BLOCK_BYTES
    return 1.0 if size_bytes <= WHOLE_BYTES else 1 + size_bytes // MAX_BLOCK_BYTES


@dataclass(frozen=True)
class Block:
    """`data` from `start` on; the run it belongs to has read `run_bytes` up to its end."""

    start: int
    data: bytes
    run_bytes: int

    @property
    def end(self) -> int:
        """Where the next block starts."""
        return self.start + len(self.data)


class RangeReader(io.RawIOBase):
    """Reads `size_bytes` through `fetch(start, end)`, but for the `head` of the file, which is there already.

    `failure` is the exception that `fetch` raised: libav takes an error for the end of the file.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size_bytes: int, head: bytes = b"") -> None:
        super().__init__()
        self._fetch = fetch
        self._size_bytes = size_bytes
        self._position = 0
        self._blocks: OrderedDict[int, Block] = OrderedDict()  # by start, least recently used first
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._ahead: tuple[int, Future[Block]] | None = None
        self._expects_all = False
        if head:
            self._cache(Block(0, head, len(head)))
        self.failure: Exception | None = None

    @override
    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, from the block at the current position; the rest of the file if negative."""
        if size < 0:
            return b"".join(iter(lambda: self.read(self._size_bytes), b""))
        if not size or self._position >= self._size_bytes:
            return b""
        try:
            block = self._block_at(self._position)
        except Exception as error:
            self.failure = error
            raise
        offset = self._position - block.start
        data = block.data[offset : offset + size]
        self._position += len(data)
        return data

    @override
    def readinto(self, buffer: Buffer) -> int:
        """The same, into a buffer."""
        view = memoryview(buffer)
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    @override
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size_bytes}[whence]
        if base + offset < 0:
            raise OSError(f"cannot seek to {base + offset}")
        self._position = base + offset
        return self._position

    @override
    def tell(self) -> int:
        """The position of the next read."""
        return self._position

    def expect_all(self) -> None:
        """Make the largest requests, since the file is read to its end (`extractors.video.media.ReadsAhead`)."""
        self._expects_all = True

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def close(self) -> None:
        """Stop requests; one in flight is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _block_at(self, position: int) -> Block:
        self._collect(position)
        block = next((block for block in self._blocks.values() if block.start <= position < block.end), None)
        if block is None:
            before = next((block for block in self._blocks.values() if block.end == position), None)
            block = self._request(position, before.run_bytes if before else 0)
            self._cache(block)
        self._blocks.move_to_end(block.start)
        is_continued = block.run_bytes > len(block.data)
        if is_continued and self._ahead is None and block.end < self._size_bytes and block.end not in self._blocks:
            self._ahead = block.end, self._pool.submit(self._request, block.end, block.run_bytes)
        return block

    def _collect(self, position: int) -> None:
        """Cache the block that was read ahead once it is complete; wait for it where it starts at `position`."""
        if self._ahead is None:
            return
        start, future = self._ahead
        while start == position and not future.done():
            wait([future], timeout=1)  # `TaskGuard` can stop this thread only between waits
        if not future.done():
            return
        self._ahead = None
        if start == position or future.exception() is None:
            self._cache(future.result())

    def _cache(self, block: Block) -> None:
        self._blocks[block.start] = block
        while sum(len(cached.data) for cached in self._blocks.values()) > CACHED_BYTES:
            self._blocks.popitem(last=False)

    def _request(self, start: int, run_bytes: int) -> Block:
        stop = min([block.start for block in tuple(self._blocks.values()) if block.start > start] + [self._size_bytes])
        length = self._length(start, run_bytes)
        small = length if self._expects_all else length // 2
        end = stop if stop - start < length + small else start + length  # no request for a small remainder
        data = self._fetch(start, end)
        if len(data) != end - start:
            raise OSError(errno.EIO, f"requested {end - start:,} bytes from {start:,} on, received {len(data):,}")
        return Block(start, data, run_bytes + len(data))

    def _length(self, start: int, run_bytes: int) -> int:
        """How many bytes are asked for from `start` on, where the run before has read `run_bytes`."""
        if self._size_bytes <= WHOLE_BYTES:
            return WHOLE_BYTES
        if start and not run_bytes:
            return JUMP_BYTES
        if self._expects_all:
            return MAX_BLOCK_BYTES
        return min(max(run_bytes // RUN_FRACTION, MIN_BLOCK_BYTES), MAX_BLOCK_BYTES)
