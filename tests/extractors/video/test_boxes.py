"""Boxes are found at any size that they state, and damage ends the search."""

from __future__ import annotations

import io

import pytest

from extractors.video.boxes import Box, boxes_in, read_at, whole_of
from tests.support.boxes import box


def found(data: bytes) -> list[Box]:
    file = io.BytesIO(data)
    return list(boxes_in(file, whole_of(file)))


def test_boxes_follow_each_other() -> None:
    assert found(box(b"ftyp", b"12") + box(b"free", b"")) == [(b"ftyp", 8, 10), (b"free", 18, 18)]


def test_a_size_may_be_long_or_open() -> None:
    long = (1).to_bytes(4) + b"mdat" + (19).to_bytes(8) + b"123"
    assert found(long + bytes(4) + b"moov" + b"12345") == [(b"mdat", 16, 19), (b"moov", 27, 32)]


@pytest.mark.parametrize("size", [7, 2])
def test_a_box_smaller_than_its_header_ends_the_search(size: int) -> None:
    assert found(box(b"ftyp", b"") + size.to_bytes(4) + b"moov" + box(b"free", b"")) == [(b"ftyp", 8, 8)]


def test_a_box_that_is_cut_ends_with_the_file() -> None:
    assert found((100).to_bytes(4) + b"mdat" + b"123") == [(b"mdat", 8, 11)]


def test_boxes_without_end_are_not_read_without_end() -> None:
    assert len(found(box(b"free", b"") * 10_000)) < 1000


def test_reads_that_give_little_are_repeated() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 3))

    assert read_at(Trickle(bytes(range(20))), 5, 10) == bytes(range(5, 15))
    assert read_at(Trickle(bytes(range(20))), 15, 10) == bytes(range(15, 20))
