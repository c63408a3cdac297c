"""Only packets that a requested frame depends on are decoded, and the frames equal those of a full decode."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.video.coverage import Extent, declared_end
from extractors.video.decode import sample_frames
from extractors.video.grid import as_fps
from extractors.video.groups import read_groups
from extractors.video.media import MAX_PIXELS, open_media
from extractors.video.samples import GridRequest, Sample
from extractors.video.selective_decode import SelectiveDecode
from tests.support.videos import TICKS, Clip, write_video

CLOSED = {"x264-params": "keyint=25:min-keyint=25:scenecut=0:bframes=3:b-pyramid=normal:b-adapt=0"}
OPEN = {"x264-params": "keyint=25:min-keyint=25:scenecut=0:bframes=3:b-pyramid=normal:b-adapt=0:open-gop=1"}
HEVC_OPEN = {"x265-params": "log-level=none:keyint=25:min-keyint=25:scenecut=0:bframes=4:open-gop=1"}
VP9 = {"cpu-used": "8", "lag-in-frames": "16"}
AV1 = {"preset": "11", "svtav1-params": "lp=1"}
UNEVEN = np.cumsum(np.random.default_rng(3).integers(1, 12, 200) * 1800).tolist()


def clip(codec: str = "libx264", frames: int = 200, **changes: object) -> Clip:
    return Clip(codec, frames, **({"width": 96, "height": 64} | changes))  # type: ignore[arg-type]


# suffix, clip, and whether its groups are closed, a second long, and start with a frame on screen at a whole second
CLIPS = {
    "h264": (".mp4", clip(options=CLOSED), True),
    "h264 in Matroska": (".mkv", clip(options=CLOSED), True),
    "h264 in MPEG-TS": (".ts", clip(options=CLOSED), True),
    "h264 open": (".mkv", clip(options=OPEN), False),
    "h264 of variable rate": (".mp4", clip(options=CLOSED, pts=UNEVEN), False),
    "hevc open": (".mkv", clip("libx265", options=HEVC_OPEN), False),
    "mpeg2 open": (".mpg", clip("mpeg2video", b_frames=2, gop=25), False),
    "mpeg4": (".mp4", clip("mpeg4", gop=25), True),
    "vp9": (".webm", clip("libvpx-vp9", gop=25, options=VP9 | {"keyint_min": "25"}), True),
    "av1": (".mp4", clip("libsvtav1", gop=25, options=AV1), True),
}


class Counting:
    """A decoder that notes when the packets it gets are to be shown."""

    def __init__(self, decoder: Any) -> None:
        self.sent: list[int] = []
        self._decoder = decoder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)

    def decode(self, packet: av.Packet[Any] | None) -> Any:
        if packet is not None:
            assert packet.pts is not None
            self.sent.append(packet.pts)
        return self._decoder.decode(packet)


def decode(path: Path, fps: str) -> tuple[list[Sample], list[int], Extent]:
    """The samples, the timestamps of the packets sent to the decoder, and what should be there."""
    with open_media(path) as media:
        extent = Extent()
        declared = declared_end(media, path)
        selective = SelectiveDecode(media, GridRequest(as_fps(fps), 0, None, None, extent, declared, MAX_PIXELS))
        counting = selective._decoder = Counting(selective._decoder)  # type: ignore[assignment]
        return list(selective.samples()), counting.sent, extent


def whole(path: Path, fps: str) -> tuple[list[Sample], Extent]:
    extent = Extent()
    return list(sample_frames(path, fps, selective=False, extent=extent)), extent


def missing(samples: list[Sample], extent: Extent) -> list[tuple[int, int]]:
    return extent.missing_ranges([sample.index for sample in samples])


def assert_same(left: list[Sample], right: list[Sample]) -> None:
    assert [(s.index, s.seconds, s.pts) for s in left] == [(s.index, s.seconds, s.pts) for s in right]
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize("name", CLIPS)
def test_sparse_samples_are_those_of_a_full_decode(name: str, tmp_path: Path) -> None:
    suffix, video, _ = CLIPS[name]
    path = write_video(tmp_path / f"clip{suffix}", video)
    for fps in ("2", "1", "0.5", "0.3", "0.1"):
        samples, _, extent = decode(path, fps)
        expected, full_extent = whole(path, fps)
        assert_same(samples, expected)
        assert missing(samples, extent) == missing(expected, full_extent) == []
        assert (extent.first, extent.stop) == (full_extent.first, full_extent.stop)


@pytest.mark.parametrize("name", [name for name, (_, _, is_regular) in CLIPS.items() if is_regular])
def test_groups_without_a_requested_frame_are_skipped(name: str, tmp_path: Path) -> None:
    suffix, video, _ = CLIPS[name]
    path = write_video(tmp_path / f"clip{suffix}", video)
    for fps in ("1", "0.5", "0.25", "0.1"):
        samples, sent, _ = decode(path, fps)
        assert len(samples) == -(-8 * Fraction(fps) // 1)
        assert sent == [sample.pts for sample in samples]  # key frames, and nothing else


@pytest.mark.parametrize("name", CLIPS)
def test_only_packets_that_a_requested_frame_may_depend_on_are_decoded(name: str, tmp_path: Path) -> None:
    suffix, video, _ = CLIPS[name]
    path = write_video(tmp_path / f"clip{suffix}", video)
    with open_media(path) as media:
        groups = [group for group, _ in read_groups(media, media.container.demux(media.video))]
    disposable = {frame.pts for group in groups for frame in group.frames if frame.picture.disposable}
    for fps in ("1", "0.3"):
        samples, sent, _ = decode(path, fps)
        requested = {sample.pts for sample in samples}
        assert requested <= set(sent)
        assert not disposable & set(sent) - requested
        assert len(sent) == len(set(sent)) < 200


def test_av1_frames_without_references_are_skipped(tmp_path: Path) -> None:
    """A frame near the end of one long group is requested: without skipping, nearly every packet would be decoded."""
    path = write_video(tmp_path / "clip.mp4", clip("libsvtav1", gop=400, options=AV1))
    samples, sent, _ = decode(path, "1")
    assert_same(samples, whole(path, "1")[0])
    assert len(sent) < 200 * 0.85


def overwrite(path: Path, numbers: range) -> Path:
    """Put noise into the pictures of the packets `numbers` of an MP4, behind their headers."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    rng = np.random.default_rng(0)
    for number in numbers:
        packet = packets[number]
        assert packet.pos is not None
        unit = 0  # the last unit of the packet is its slice
        payload = bytes(packet)
        while unit + 4 + int.from_bytes(payload[unit : unit + 4], "big") < len(payload):
            unit += 4 + int.from_bytes(payload[unit : unit + 4], "big")
        start, end = packet.pos + unit + 4 + (len(payload) - unit) // 3, packet.pos + packet.size
        data[start:end] = rng.integers(1, 256, max(0, end - start), np.uint8).tobytes()
    damaged = path.with_name(f"damaged {numbers.start}.mp4")
    damaged.write_bytes(data)
    return damaged


def test_damage_between_requested_frames_is_not_a_gap(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", clip(options=CLOSED, width=192, height=96))
    sound, _ = whole(path, "0.5")
    damaged = overwrite(path, range(25, 50))
    samples, sent, extent = decode(damaged, "0.5")
    assert_same(samples, sound)
    assert len(sent) == 4
    assert missing(samples, extent) == []
    expected, full_extent = whole(damaged, "0.5")
    assert_same(expected, sound)
    assert missing(expected, full_extent) == []


def test_damage_at_a_requested_frame_is_a_gap(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", clip(options=CLOSED, width=192, height=96))
    sound, _ = whole(path, "0.5")
    damaged = overwrite(path, range(50, 75))
    for selective in (True, False):
        extent = Extent()
        samples = list(sample_frames(damaged, "0.5", selective, extent=extent))
        assert_same(samples, [sound[0], *sound[2:]])
        assert missing(samples, extent) == [(1, 2)]


def test_a_still_frame_is_decoded_once(tmp_path: Path) -> None:
    """It is on screen at nine grid points in a row."""
    path = write_video(tmp_path / "still.mp4", clip(frames=3, pts=[0, TICKS // 2, 10 * TICKS]))
    samples, sent, _ = decode(path, "1")
    assert len(samples) == 11
    assert len(sent) == 3
    images: list[NDArray[np.uint8]] = [sample.image for sample in samples]
    assert all(image is images[1] for image in images[1:10])
