"""MP4 files joined end to end: the first is read, and the others are known to be there."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from extractors.video.media import open_media
from extractors.video.movies import unread_files
from tests.support.boxes import box
from tests.support.recordings import Recording, join, sampled, write_recording


def files(folder: Path, count: int, **options: str) -> list[Path]:
    return [
        write_recording(folder / f"{number}.mp4", Recording(first=3 * number, container_options=options))
        for number in range(count)
    ]


def movie(seconds: int) -> bytes:
    """A movie with a header of version 1, whose numbers are wider."""
    times = bytes(16)  # creation, modification
    return box(b"moov", box(b"mvhd", b"\1\0\0\0" + times + (90_000).to_bytes(4) + (90_000 * seconds).to_bytes(8)))


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}], ids=["index at the end", "index at the start"])
def test_grid_points_of_further_files_are_missing(options: dict[str, str], tmp_path: Path) -> None:
    parts = files(tmp_path, 3, **options)
    for count in (1, 2, 3):
        path = join(tmp_path / "joined.mp4", *parts[:count])
        with open_media(path) as media:
            assert media.unread_files == (3,) * (count - 1)
        for selective in (True, False):
            result = sampled(path, selective=selective)
            assert result.numbers == result.tones == {0: 0, 1: 1, 2: 2}
            assert result.missing == ([(3, 3 * count)] if count > 1 else [])


def test_fragments_are_not_searched(tmp_path: Path) -> None:
    fragmented = join(tmp_path / "joined.mp4", *files(tmp_path, 2, movflags="+frag_keyframe+empty_moov"))
    assert unread_files(io.BytesIO(fragmented.read_bytes())) == ()


@pytest.mark.parametrize(
    ("boxes", "lengths"),
    [
        (box(b"ftyp", b"") + movie(3) + box(b"mdat", b"") + box(b"ftyp", b"") + movie(5), (5,)),
        (box(b"ftyp", b"") + movie(3) + movie(5), ()),  # a second index of the same file
        (box(b"ftyp", b"") + box(b"mdat", b"") + box(b"ftyp", b"") + movie(3), ()),  # the first one has no index
        (box(b"ftyp", b"") + movie(3) + box(b"ftyp", b"") + box(b"moov", b""), (0,)),
        (b"", ()),
    ],
)
def test_a_further_file_has_a_header_and_an_index(boxes: bytes, lengths: tuple[int, ...]) -> None:
    assert unread_files(io.BytesIO(boxes)) == lengths
