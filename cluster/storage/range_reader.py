"""A remote file as the demuxer wants it: a binary file object whose bytes come by range requests.

A run is a stretch that is read without a gap. Requests grow with the run they continue, up to `MAX_BLOCK_BYTES`, and
the next one is made while the last is being decoded; so little is read beyond where a segment ends, and no byte twice.
They grow faster, and cost the fewer, once it is known that the file will be read to its end.
Blocks are kept for a while: demuxers come back to the file's head after a look at an index at its end, and go to and
fro between pictures and sound where those are stored apart.
"""

from __future__ import annotations

import errno
import io
import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

MIN_BLOCK_BYTES = 256 << 10
JUMP_BYTES = 16 << 10  # of the first request after a jump, which may be for a box of a few bytes
MAX_BLOCK_BYTES = 4 << 20
RUN_FRACTION = 24  # of a run that the next request may add to it: with one more under way, less than a tenth
KEPT_BYTES = 32 << 20


@dataclass(frozen=True)
class Block:
    """`data` from `start` on; the run it belongs to has had `run_bytes` up to its end."""

    start: int
    data: bytes
    run_bytes: int

    @property
    def end(self) -> int:
        """Where the next block starts."""
        return self.start + len(self.data)


class RangeReader(io.RawIOBase):
    """Reads `size_bytes` through `fetch`, which gives the bytes from a place up to another.

    `trouble` is what `fetch` has raised: libav takes an error for the end of the file.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size_bytes: int) -> None:
        super().__init__()
        self._fetch = fetch
        self._size_bytes = size_bytes
        self._position = 0
        self._blocks: OrderedDict[int, Block] = OrderedDict()  # by start; those in use last
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._ahead: tuple[int, Future[Block]] | None = None
        self._run_fraction = RUN_FRACTION
        self.trouble: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes: what the block at the present place has of them; all that is left where negative."""
        if size < 0:
            return b"".join(iter(lambda: self.read(self._size_bytes), b""))
        if not size or self._position >= self._size_bytes:
            return b""
        try:
            block = self._block_at(self._position)
        except Exception as error:
            self.trouble = error
            raise
        offset = self._position - block.start
        data = block.data[offset : offset + size]
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place; returns where that is."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size_bytes}[whence]
        if base + offset < 0:
            raise OSError(f"cannot seek to {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Where the next read starts."""
        return self._position

    def expect_all(self) -> None:
        """See `extractors.video.media.ReadsAhead`."""
        self._run_fraction = 1

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Ask for nothing more; a request under way is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _block_at(self, position: int) -> Block:
        self._collect(position)
        block = next((block for block in self._blocks.values() if block.start <= position < block.end), None)
        if block is None:
            before = next((block for block in self._blocks.values() if block.end == position), None)
            block = self._request(position, before.run_bytes if before else 0)
            self._keep(block)
        self._blocks.move_to_end(block.start)
        is_continued = block.run_bytes > len(block.data)
        if is_continued and self._ahead is None and block.end < self._size_bytes and block.end not in self._blocks:
            self._ahead = block.end, self._pool.submit(self._request, block.end, block.run_bytes)
        return block

    def _collect(self, position: int) -> None:
        """Keep what was read ahead, once it is there; wait for it where it starts at `position`."""
        if self._ahead is None:
            return
        start, future = self._ahead
        while start == position and not future.done():
            wait([future], timeout=1)  # whoever guards this thread can only stop it between waits
        if not future.done():
            return
        self._ahead = None
        if start == position or future.exception() is None:
            self._keep(future.result())

    def _keep(self, block: Block) -> None:
        self._blocks[block.start] = block
        while sum(len(kept.data) for kept in self._blocks.values()) > KEPT_BYTES:
            self._blocks.popitem(last=False)

    def _request(self, start: int, run_bytes: int) -> Block:
        length = min(max(run_bytes // self._run_fraction, MIN_BLOCK_BYTES), MAX_BLOCK_BYTES)
        if start and not run_bytes:
            length = JUMP_BYTES
        stop = min([block.start for block in tuple(self._blocks.values()) if block.start > start] + [self._size_bytes])
        end = stop if stop - start < length * 3 // 2 else start + length  # no request for a small rest
        data = self._fetch(start, end)
        if len(data) != end - start:
            raise OSError(errno.EIO, f"{end - start:,} bytes were asked for from {start:,} on, {len(data):,} came")
        return Block(start, data, run_bytes + len(data))
