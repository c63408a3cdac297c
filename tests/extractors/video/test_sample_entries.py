"""The sample entries of MP4 and MOV are found in real files, and damage ends the search."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from typing_extensions import override

from extractors.video.sample_entries import SampleEntry, sample_entries
from tests.support.boxes import box, with_sample_entry
from tests.support.videos import Clip, write_video

CLIP = Clip(frames=5, width=96, height=48, sound="aac")


def entries_of(data: bytes) -> list[SampleEntry]:
    return list(sample_entries(io.BytesIO(data)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", CLIP).read_bytes()


@pytest.mark.parametrize("options", [{}, {"movflags": "+faststart"}, {"movflags": "+frag_keyframe+empty_moov"}])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_each_track_has_one(options: dict[str, str], suffix: str, tmp_path: Path) -> None:
    clip = Clip(frames=5, width=96, height=48, sound="aac", container_options=options)
    found = entries_of(write_video(tmp_path / f"clip{suffix}", clip).read_bytes())
    assert [(entry.track_id, entry.format) for entry in found] == [(1, b"avc1"), (2, b"mp4a")]


def test_boxes_of_a_visual_entry_are_found_by_type(data: bytes) -> None:
    (entry, _) = entries_of(with_sample_entry(data, b"vide", 78, {b"test": b"content"}))
    assert entry.visual_box(b"test") == b"content"
    assert entry.visual_box(b"none") is None


def test_the_sizes_of_boxes_may_be_long_or_open(data: bytes) -> None:
    long = data.replace(struct.pack(">I", 8) + b"free", struct.pack(">I", 1) + b"free" + struct.pack(">Q", 16), 1)
    assert len(long) == len(data) + 8
    at = long.rindex(b"moov") - 4
    open_ended = long[:at] + bytes(4) + long[at + 4 :]
    assert entries_of(open_ended) == entries_of(long) == entries_of(data)


@pytest.mark.parametrize("size", [100, 1 << 62, (1 << 64) - 1])
def test_a_box_that_claims_more_than_the_file_has_ends_the_search(size: int) -> None:
    assert entries_of(struct.pack(">I4sQ", 1, b"gd\0\x0a", size) + bytes(60)) == []


def test_files_that_read_little_at_a_time_are_read_whole(data: bytes) -> None:
    class Trickle(io.BytesIO):
        @override
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 3))

    trickle: IO[bytes] = Trickle(data)
    assert list(sample_entries(trickle)) == entries_of(data)


def test_damage_ends_the_search(data: bytes) -> None:
    rng = np.random.default_rng(0)
    start = data.rindex(b"moov") - 4
    for _ in range(200):
        damaged = bytearray(data)
        for at in rng.integers(start, len(data), 4):
            damaged[at] = rng.integers(256)
        assert len(entries_of(bytes(damaged))) <= 2
        assert len(entries_of(data[: rng.integers(len(data))])) <= 2
    assert entries_of(b"") == entries_of(bytes(100)) == entries_of(box(b"moov", b"")) == []
