"""Coded packets of real videos, what a picture reader says of them, and what the decoder makes of some of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from numpy.typing import NDArray

from extractors.video.bitstream.picture import Picture, PictureReader, UnsureStructureError
from extractors.video.bitstream.registry import reader_for


@dataclass(frozen=True)
class Decoded:
    """One frame that came out of the decoder."""

    kind: str  # I, P or B
    is_key: bool
    planes: NDArray[np.uint8]


@dataclass(frozen=True)
class Coded:
    """The video packets of one file, in decoding order."""

    path: Path
    codec: str
    extradata: bytes | None
    packets: list[bytes]

    def reader(self) -> PictureReader:
        """A fresh reader."""
        reader = reader_for(self.codec, self.extradata)
        assert reader is not None
        return reader

    def pictures(self) -> list[Picture]:
        """What the reader says of each packet."""
        read = self.reader()
        return [read(packet) for packet in self.packets]

    def decode(self, numbers: Collection[int] | None = None) -> dict[int, Decoded]:
        """Decode the packets `numbers` (all by default) and nothing else: packet number → its frame."""
        frames: dict[int, Decoded] = {}
        with av.open(str(self.path)) as container:
            video = container.streams.video[0]
            decoder = video.codec_context
            decoder.copy_opaque = True
            for number, packet in enumerate(packet for packet in container.demux(video) if packet.size):
                if numbers is None or number in numbers:
                    packet.opaque = number
                    _collect(frames, decoder.decode(packet))
            _collect(frames, decoder.decode(None))
        return frames


def _collect(frames: dict[int, Decoded], decoded: Sequence[av.VideoFrame]) -> None:
    for frame in decoded:
        frames[frame.opaque] = Decoded(PictureType(frame.pict_type).name, bool(frame.key_frame), frame.to_ndarray())


def coded(path: Path) -> Coded:
    """Demultiplex the video of `path`."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        packets = [bytes(packet) for packet in container.demux(video) if packet.size]
        context = video.codec_context
        return Coded(path, context.codec.canonical_name, context.extradata, packets)


def assert_promises_hold(video: Coded) -> None:
    """Hold what the reader says against the decoder: what is disposable can go, and what is an entry is one."""
    pictures = video.pictures()
    whole = video.decode()
    lasting = {number for number, picture in enumerate(pictures) if not picture.disposable}
    assert_same_frames(video.decode(lasting), whole, lasting)
    for entry in (number for number, picture in enumerate(pictures) if picture.random_access):
        later = range(entry, len(pictures))
        sent = {number for number in later if number == entry or not pictures[number].needs_previous}
        assert_same_frames(video.decode(sent), whole, sent)


def assert_same_frames(some: dict[int, Decoded], whole: dict[int, Decoded], numbers: set[int]) -> None:
    """The frames of `numbers` are those of the whole, to the bit."""
    assert some.keys() == whole.keys() & numbers
    for number, frame in some.items():
        np.testing.assert_array_equal(frame.planes, whole[number].planes, err_msg=f"packet {number}")


def damaged(packets: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` packets with a few changed bytes near their start, cut short, or with foreign bytes in the middle."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        data = bytearray(packets[rng.integers(len(packets))])
        match rng.integers(4):
            case 0:
                for _ in range(rng.integers(1, 6)):
                    data[rng.integers(min(len(data), 64))] = rng.integers(256)
            case 1:
                data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
            case 2:
                del data[rng.integers(min(len(data), 80)) :]
            case _:
                at = rng.integers(min(len(data), 64))
                data[at:at] = rng.bytes(rng.integers(1, 40))
        yield bytes(data)


def assert_damage_is_unsure_at_worst(make: Callable[[], PictureReader], packets: Sequence[bytes], count: int) -> None:
    """A reader answers to damaged packets with a `Picture` or with `UnsureStructureError`, and with nothing else."""
    read = make()
    refused = 0
    for number, packet in enumerate(damaged(packets, count, seed=count)):
        if number % 100 == 0:
            read = make()  # so that damaged parameter sets do not decide everything that follows
        try:
            assert isinstance(read(packet), Picture)
        except UnsureStructureError:
            refused += 1
    if not refused:
        pytest.fail(f"none of {count} damaged packets was refused: the damage does not reach what is read")


def assert_damaged_extradata_is_unsure_at_worst(video: Coded, count: int) -> None:
    """With a damaged decoder configuration there is no reader, or one that keeps to the rules."""
    assert video.extradata
    for extradata in damaged([video.extradata], count, seed=count):
        reader = reader_for(video.codec, extradata)
        if reader is None:
            continue
        for packet in video.packets[:5]:
            try:
                reader(packet)
            except UnsureStructureError:
                break
