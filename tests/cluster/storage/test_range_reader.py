import errno
import os
import random
import threading

import pytest

from cluster.storage.range_reader import CACHED_BYTES, JUMP_BYTES, MIN_BLOCK_BYTES, RangeReader

CONTENT = random.Random(0).randbytes(10_000_000)


class Store:
    """Serves parts of some content, and remembers which."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.ranges: list[tuple[int, int]] = []

    def fetch(self, start: int, end: int) -> bytes:
        self.ranges.append((start, end))
        return self.content[start:end]

    def reader(self) -> RangeReader:
        return RangeReader(self.fetch, len(self.content))

    @property
    def sent_bytes(self) -> int:
        return sum(end - start for start, end in self.ranges)


def exactly(reader: RangeReader, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := reader.read(size - len(data))):
        data += part
    return data


def test_it_is_the_file():
    draw = random.Random(1)
    store = Store(CONTENT)
    with store.reader() as reader:
        assert reader.readable()
        assert reader.seekable()
        for _ in range(300):
            place = draw.randrange(len(CONTENT) + 10)
            assert reader.seek(place) == reader.tell() == place
            size = draw.choice((0, 1, 1000, 1_000_000))
            assert exactly(reader, size) == CONTENT[place : place + size]
        assert reader.seek(-3, os.SEEK_END) == len(CONTENT) - 3
        assert reader.seek(1, os.SEEK_CUR) == len(CONTENT) - 2
        assert reader.read() == CONTENT[-2:]
        assert reader.read(1) == b""
        with pytest.raises(OSError, match="-1"):
            reader.seek(-1)
        assert reader.seek(0) == 0
        assert reader.read() == CONTENT
    assert store.sent_bytes == len(CONTENT)


def test_every_byte_is_read_once_with_an_index_at_the_end():
    store = Store(CONTENT)
    with store.reader() as reader:
        reader.read(10)
        reader.seek(len(CONTENT) - 500_000)
        exactly(reader, 500_000)
        reader.seek(30)
        while reader.read(1 << 20):
            pass
    assert store.sent_bytes == len(CONTENT)
    assert len(store.ranges) < 45


@pytest.mark.parametrize("size", [1_000_000, 3_000_000, 30_000_000, 300_000_000])
def test_little_is_read_beyond_where_a_stretch_ends(size):
    store = Store(memoryview(bytearray(400_000_000)))
    with store.reader() as reader:
        reader.seek(5_000_000)
        while reader.tell() < 5_000_000 + size:
            reader.read(1 << 20)
    assert store.sent_bytes < size * 1.1 + 2 * MIN_BLOCK_BYTES
    assert len(store.ranges) < 20 + size // 500_000


def test_a_file_that_will_be_read_to_its_end_takes_few_requests():
    store = Store(memoryview(bytearray(40_000_000)))
    with store.reader() as reader:
        reader.read(1)
        reader.expect_all()
        while reader.read(1 << 20):
            pass
    assert store.sent_bytes == len(store.content)
    assert len(store.ranges) < 15


def test_pictures_and_sound_stored_apart_are_each_read_once():
    store = Store(CONTENT)
    with store.reader() as reader:
        for place in range(0, 4_000_000, 20_000):
            for part in (place, 5_000_000 + place):
                reader.seek(part)
                assert exactly(reader, 20_000) == CONTENT[part : part + 20_000]
    assert store.sent_bytes < 8_000_000 * 1.1


def test_a_jump_costs_little():
    store = Store(CONTENT)
    with store.reader() as reader:
        for place in range(1, len(CONTENT), 1_000_000):
            reader.seek(place)
            reader.read(1 << 20)
    assert store.sent_bytes == 10 * JUMP_BYTES


def test_the_cache_is_bounded():
    store = Store(memoryview(bytearray(100_000_000)))
    with store.reader() as reader:
        while reader.read(1 << 20):
            pass
        assert sum(len(block.data) for block in reader._blocks.values()) <= CACHED_BYTES
    assert store.sent_bytes == 100_000_000


def test_the_next_block_is_asked_for_while_the_last_is_used():
    store = Store(CONTENT)
    is_asked = threading.Event()

    def fetch(start: int, end: int) -> bytes:
        if start == 2 * MIN_BLOCK_BYTES:
            is_asked.set()
        return store.fetch(start, end)

    with RangeReader(fetch, len(CONTENT)) as reader:
        exactly(reader, MIN_BLOCK_BYTES + 1)
        assert is_asked.wait(10)
        assert reader.tell() < 2 * MIN_BLOCK_BYTES


@pytest.mark.parametrize("is_ahead", [False, True])
def test_a_failure_is_raised_and_kept(is_ahead):
    place = 2 * MIN_BLOCK_BYTES if is_ahead else 0

    def fetch(start: int, end: int) -> bytes:
        if start == place:
            raise TimeoutError("stalled")
        return CONTENT[start:end]

    with RangeReader(fetch, len(CONTENT)) as reader:
        with pytest.raises(TimeoutError):
            exactly(reader, 3 * MIN_BLOCK_BYTES)
        assert str(reader.failure) == "stalled"


def test_a_short_response_is_an_error():
    with RangeReader(lambda start, end: CONTENT[start : end - 1], len(CONTENT)) as reader:
        with pytest.raises(OSError, match="requested 262,144 bytes from 0 on, received 262,143") as caught:
            reader.read(1)
        assert caught.value.errno == errno.EIO
