from __future__ import annotations

import random
import time

import pytest

from cluster.storage.forward_reads import GAP_BYTES, KEPT_SECONDS, HeaderReads, MemberReads, is_next
from cluster.storage.range_reader import JUMP_BYTES, MAX_BLOCK_BYTES
from cluster.storage.range_requests import Answer
from cluster.storage.read_policy import CopyLimitError
from cluster.storage.tar_members import TarPart

CONTENT = random.Random(0).randbytes(30_000_000)
SIZE = 250_000
TAR = ("a.tar", "etag:1")


class Store:
    """Serves parts of `content`, and remembers which."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.content, self.tag = CONTENT, "1"

    def fetch(self, start: int, end: int) -> Answer:
        self.ranges.append((start, end))
        return Answer(self.content[start:end], None, self.tag)

    def replace(self) -> None:
        self.content, self.tag = self.content[::-1], self.tag + "1"

    @property
    def sent_bytes(self) -> int:
        return sum(min(end, len(CONTENT)) - start for start, end in self.ranges)


def test_members_that_are_known_to_follow_come_with_the_first() -> None:
    store, reads = Store(), MemberReads()
    places = range(1000, 10_000_000, SIZE + 1000)
    until = places[-1] + SIZE
    for start in places:
        end = start + SIZE
        assert reads.read(TAR, store.fetch, start, end, until) == CONTENT[start:end]
    assert store.sent_bytes == until - 1000
    assert len(store.ranges) == 2


def test_members_that_are_not_known_to_follow_come_in_growing_requests() -> None:
    store, reads = Store(), MemberReads()
    for start in range(1000, 20_000_000, SIZE + 1000):
        end = start + SIZE
        assert reads.read(TAR, store.fetch, start, end, end) == CONTENT[start:end]
    assert len(store.ranges) <= 10
    assert all(before[1] == after[0] for before, after in zip(store.ranges, store.ranges[1:], strict=False))


def test_a_member_elsewhere_is_read_alone() -> None:
    store, reads = Store(), MemberReads()
    for uri, start in (("a.tar", 0), ("b.tar", SIZE), ("b.tar", 10_000_000), ("b.tar", 0), ("b.tar", 20_000_000)):
        assert reads.read((uri, ""), store.fetch, start, start + SIZE, 0) == CONTENT[start : start + SIZE]
    assert store.sent_bytes == 5 * SIZE
    last = len(CONTENT) - 10
    assert reads.read(("b.tar", ""), store.fetch, last, last + 100, 0) == CONTENT[last:]


def test_a_member_is_of_one_version_of_its_tar() -> None:
    store, reads = Store(), MemberReads()
    until = 2 * MAX_BLOCK_BYTES
    assert reads.read(TAR, store.fetch, 0, SIZE, until) == CONTENT[:SIZE]
    store.replace()
    start = store.ranges[0][1] - SIZE // 2  # of a member whose first half has come already
    assert reads.read(TAR, store.fetch, start, start + SIZE, until) == store.content[start : start + SIZE]


def test_what_was_kept_is_of_no_other_version_and_not_old(monkeypatch: pytest.MonkeyPatch) -> None:
    store, reads = Store(), MemberReads()
    reads.read(TAR, store.fetch, 0, SIZE, 4 * SIZE)
    store.replace()
    found = reads.read(("a.tar", "etag:2"), store.fetch, SIZE, 2 * SIZE, 4 * SIZE)
    assert found == store.content[SIZE : 2 * SIZE]
    store.replace()
    assert reads.read(("a.tar", "etag:2"), store.fetch, SIZE, 2 * SIZE, 0) == found
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + KEPT_SECONDS + 1)
    assert reads.read(("a.tar", "etag:2"), store.fetch, SIZE, 2 * SIZE, 0) == CONTENT[SIZE : 2 * SIZE]


def test_which_member_is_next() -> None:
    first = TarPart("a.tar", 512, 100)
    assert is_next(first, TarPart("a.tar", 1536, 100))
    assert not is_next(first, TarPart("b.tar", 1536, 100))
    assert not is_next(first, first)
    assert not is_next(first, TarPart("a.tar", 2048 + GAP_BYTES, 100))


def test_headers_of_small_members_come_many_at_a_time_and_those_of_large_ones_alone() -> None:
    for step, most_requests, most_bytes in ((SIZE, 8, 31_000_000), (2_000_000, 15, 15 * JUMP_BYTES + MAX_BLOCK_BYTES)):
        store = Store()
        headers = HeaderReads(lambda start, end, fetch=store.fetch: fetch(start, end).data, is_local=False)
        for start in range(0, len(CONTENT), step):
            assert headers(start, start + 512) == CONTENT[start : start + 512]
        assert len(store.ranges) <= most_requests
        assert store.sent_bytes <= most_bytes
    store = Store()
    headers = HeaderReads(lambda start, end: store.fetch(start, end).data, is_local=True)
    assert headers(5, 10) + headers(0, 5) == CONTENT[5:10] + CONTENT[:5]


def test_headers_have_a_time_limit() -> None:
    headers = HeaderReads(lambda start, end: CONTENT[start:end], is_local=False, limit_seconds=0.05)
    assert headers(0, 512) == CONTENT[:512]
    time.sleep(0.06)
    assert headers(512, 1024) == CONTENT[512:1024]  # which is there
    with pytest.raises(CopyLimitError, match=r"more than 0\.05 s"):
        headers(20_000_000, 20_000_512)
