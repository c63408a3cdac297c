"""The headers of further parts are hidden, whatever is read in one piece, and nothing else is."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from extractors.video.decode import sample_frames
from extractors.video.joined import HEADERS, JoinedFile, has_unread_part, open_joined
from extractors.video.media import MAX_PIXELS, open_media
from tests.support.recordings import JOINABLE, Recording, join, sampled, write_recording

FLV_HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"
SUFFIXES = (".flv", ".mkv", ".webm")


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Path]:
    return {suffix: write_recording(tmp_path / f"part{suffix}", JOINABLE[suffix]) for suffix in SUFFIXES}


@pytest.mark.parametrize("size", [1, 7, 16, 40, 1000, -1])
def test_further_headers_are_hidden(size: int) -> None:
    data = FLV_HEADER + bytes(range(50)) + FLV_HEADER + b"FLV\x01 is no header" + FLV_HEADER
    hidden = data[:63] + bytes(4) + data[67:-13] + bytes(4) + data[-9:]
    file = JoinedFile(io.BytesIO(data), HEADERS["flv"])
    pieces = []
    while piece := file.read(size):
        pieces.append(piece)
    assert b"".join(pieces) == hidden
    for position in (0, 60, 63, 64, 70, len(data) - 9):
        assert file.seek(position) == file.tell() == position
        assert file.read(size) == (hidden[position:] if size < 0 else hidden[position : position + size])
    file.seek(-20, os.SEEK_END)
    file.seek(5, os.SEEK_CUR)
    assert file.read() == hidden[-15:]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_single_file_reads_as_it_is(suffix: str, parts: dict[str, Path]) -> None:
    data = parts[suffix].read_bytes()
    header = HEADERS["flv" if suffix == ".flv" else "matroska"]
    assert header.match(data)
    assert JoinedFile(io.BytesIO(data), header).read() == data


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_part_that_was_not_reached_is_told(suffix: str, parts: dict[str, Path], tmp_path: Path) -> None:
    path = parts[suffix]
    joined = join(tmp_path / f"joined{suffix}", path, path)
    size = path.stat().st_size
    with joined.open("rb") as file:
        file.seek(3)
        for source in (joined, file):
            with open_media(joined) as media:
                assert has_unread_part(media, source, size - 10)
                assert not has_unread_part(media, source, size + 1)
                assert not has_unread_part(media, source, 0)  # was not read to the end
        assert file.tell() == 3
    with open_media(path) as media:
        assert not has_unread_part(media, path, size - 10)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("is_file", [False, True])
def test_all_parts_are_opened_from_the_start(
    suffix: str, is_file: bool, parts: dict[str, Path], tmp_path: Path
) -> None:
    path = parts[suffix]
    joined = join(tmp_path / f"joined{suffix}", path, path, path)
    with joined.open("rb") as file:
        file.seek(100)
        with open_joined(file if is_file else joined, max_pixels=MAX_PIXELS) as media:
            assert sum(1 for packet in media.container.demux(media.video) if packet.size) == 90


def test_the_clock_may_go_on_from_part_to_part(tmp_path: Path) -> None:
    """Then selective decoding has no doubt until the demuxer ends too early."""
    recordings = [Recording(first=first, start=float(first)) for first in (0, 3, 6)]
    parts = [write_recording(tmp_path / f"{number}.mkv", part) for number, part in enumerate(recordings)]
    result = sampled(join(tmp_path / "joined.mkv", *parts))
    assert result.numbers == result.tones == {index: index for index in range(9)}
    assert result.missing == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_single_file_is_not_decoded_in_full(suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="extractors.video.decode")
    recording = Recording() if suffix == ".flv" else JOINABLE[suffix]
    list(sample_frames(write_recording(tmp_path / f"single{suffix}", recording)))
    assert [record.getMessage() for record in caplog.records if "every frame" in record.getMessage()] == []
