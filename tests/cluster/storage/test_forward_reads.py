from __future__ import annotations

import random

from cluster.storage.forward_reads import GAP_BYTES, HeaderReads, MemberReads, is_next
from cluster.storage.range_reader import JUMP_BYTES, MAX_BLOCK_BYTES
from cluster.storage.tar_members import TarPart

CONTENT = random.Random(0).randbytes(30_000_000)
SIZE = 250_000


class Store:
    """Serves parts of `CONTENT`, and remembers which."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []

    def fetch(self, start: int, end: int) -> bytes:
        self.ranges.append((start, end))
        return CONTENT[start:end]

    @property
    def sent_bytes(self) -> int:
        return sum(min(end, len(CONTENT)) - start for start, end in self.ranges)


def test_members_that_are_known_to_follow_come_with_the_first() -> None:
    store, reads = Store(), MemberReads()
    places = range(1000, 10_000_000, SIZE + 1000)
    until = places[-1] + SIZE
    for start in places:
        end = start + SIZE
        assert reads.read("a.tar", store.fetch, start, end, until) == CONTENT[start:end]
    assert store.sent_bytes == until - 1000
    assert len(store.ranges) == 2


def test_members_that_are_not_known_to_follow_come_in_growing_requests() -> None:
    store, reads = Store(), MemberReads()
    for start in range(1000, 20_000_000, SIZE + 1000):
        end = start + SIZE
        assert reads.read("a.tar", store.fetch, start, end, end) == CONTENT[start:end]
    assert len(store.ranges) <= 10
    assert all(before[1] == after[0] for before, after in zip(store.ranges, store.ranges[1:], strict=False))


def test_a_member_elsewhere_is_read_alone() -> None:
    store, reads = Store(), MemberReads()
    for uri, start in (("a.tar", 0), ("b.tar", SIZE), ("b.tar", 10_000_000), ("b.tar", 0), ("b.tar", 20_000_000)):
        assert reads.read(uri, store.fetch, start, start + SIZE, 0) == CONTENT[start : start + SIZE]
    assert store.sent_bytes == 5 * SIZE
    last = len(CONTENT) - 10
    assert reads.read("b.tar", store.fetch, last, last + 100, 0) == CONTENT[last:]


def test_which_member_is_next() -> None:
    first = TarPart("a.tar", 512, 100)
    assert is_next(first, TarPart("a.tar", 1536, 100))
    assert not is_next(first, TarPart("b.tar", 1536, 100))
    assert not is_next(first, first)
    assert not is_next(first, TarPart("a.tar", 2048 + GAP_BYTES, 100))


def test_headers_of_small_members_come_many_at_a_time_and_those_of_large_ones_alone() -> None:
    for step, most_requests, most_bytes in ((SIZE, 8, 31_000_000), (2_000_000, 15, 15 * JUMP_BYTES + MAX_BLOCK_BYTES)):
        store = Store()
        headers = HeaderReads(store.fetch, is_local=False)
        for start in range(0, len(CONTENT), step):
            assert headers(start, start + 512) == CONTENT[start : start + 512]
        assert len(store.ranges) <= most_requests
        assert store.sent_bytes <= most_bytes
    store = Store()
    headers = HeaderReads(store.fetch, is_local=True)
    assert headers(5, 10) + headers(0, 5) == CONTENT[5:10] + CONTENT[:5]
