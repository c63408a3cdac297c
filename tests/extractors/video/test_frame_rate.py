"""The duration of a frame is the container's, that of a raw stream the one that its syntax states, or 1/25 s."""

from __future__ import annotations

from pathlib import Path

import pytest

from extractors.video.coverage import Extent
from extractors.video.decode import sample_frames
from extractors.video.frame_rate import frame_rate, is_raw, nominal_duration, states_frame_rate
from extractors.video.media import open_media
from extractors.video.probe import probe
from tests.support.recordings import Recording, sampled, write_recording
from tests.support.videos import Clip, read_number, write_video

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "videos" / "raw_25fps_20s_without_timing.h264"
X265 = {"x265-params": "log-level=none:pools=1:bframes=3"}
AV1 = {"preset": "12", "svtav1-params": "lp=1"}
RAW = {
    "h264 at 10 fps": (".h264", Recording(rate=10)),
    "h264 at 50 fps": (".h264", Recording(rate=50, options={"x264-params": "bframes=3:b-pyramid=normal"})),
    "hevc at 24 fps": (".hevc", Recording(rate=24, codec="libx265", options=X265)),
    "mpeg-1 at 25 fps": (".m1v", Recording(rate=25, codec="mpeg1video")),
    "mpeg-1 at 30 fps": (".m1v", Recording(rate=30, codec="mpeg1video", options={"bf": "2"})),
    "mpeg-2 at 30 fps": (".m2v", Recording(rate=30, codec="mpeg2video", options={"bf": "2"})),
    "mpeg-4 at 20 fps": (".m4v", Recording(rate=20, codec="mpeg4", format="m4v")),
    "av1 at 25 fps": (".obu", Recording(rate=25, codec="libsvtav1", options=AV1, width=128, height=128)),
}


def test_a_container_states_the_duration(tmp_path: Path) -> None:
    for suffix, ticks in ((".ts", 3600), (".mkv", 40), (".mp4", 512)):
        with open_media(write_video(tmp_path / f"clip{suffix}", Clip(frames=30))) as media:
            assert not is_raw(media)
            assert states_frame_rate(media)
            assert (frame_rate(media), nominal_duration(media)) == (25, ticks)


@pytest.mark.parametrize("name", RAW)
def test_a_raw_stream_has_the_rate_of_its_syntax(name: str, tmp_path: Path) -> None:
    suffix, recording = RAW[name]
    path = write_recording(tmp_path / f"raw{suffix}", Recording(**{**vars(recording), "sound": None, "seconds": 6}))
    assert probe(path).duration_seconds == 6
    with open_media(path) as media:
        assert is_raw(media)
        assert states_frame_rate(media) == (suffix != ".obu")  # where libav does not tell
        assert frame_rate(media) == recording.rate
        assert nominal_duration(media) == 1_200_000 // recording.rate
    for selective in (True, False):
        result = sampled(path, selective=selective)
        assert result.numbers == {index: index for index in range(6)}
        assert result.missing == []


def test_a_raw_stream_without_a_rate_has_25_frames_per_second() -> None:
    with open_media(FIXTURE) as media:
        assert (frame_rate(media), nominal_duration(media)) == (25, 48_000)
        assert not states_frame_rate(media)
    for selective in (True, False):
        extent = Extent()
        samples = list(sample_frames(FIXTURE, selective=selective, extent=extent))
        assert [sample.index for sample in samples] == list(range(20))
        assert extent.missing_ranges(range(20)) == []
        later = sample_frames(FIXTURE, selective=selective, start_seconds=15, end_seconds=30)
        assert [sample.index for sample in later] == list(range(15, 20))


def slices_of(data: bytes) -> list[int]:
    """Where the slices of an H.264 stream start, one a frame."""
    units = [position for position in range(len(data) - 4) if data[position : position + 3] == b"\x00\x00\x01"]
    return [position for position in units if data[position + 3] & 0x1F in (1, 5)]


def test_pictures_lost_from_a_raw_stream_keep_their_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "raw.h264", Clip(frames=250, gop=50, options={"x264-params": "bframes=0:scenecut=0"}))
    data = path.read_bytes()
    start, end = slices_of(data)[110:112]
    path.write_bytes(data[: start + 4] + b"\xff" * (end - start - 4) + data[end:])
    extent = Extent()
    numbers = {sample.index: read_number(sample.image) for sample in sample_frames(path, 5, extent=extent)}
    assert numbers == {index: 5 * index for index in range(50) if index not in range(22, 30)}
    assert extent.missing_ranges(list(numbers)) == [(22, 30)]


@pytest.mark.parametrize("has_parameters", [True, False])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_pictures_before_the_first_key_frame_of_a_raw_stream_are_missing(
    has_parameters: bool, b_frames: int, tmp_path: Path
) -> None:
    clip = Clip(frames=100, gop=50, options={"x264-params": f"bframes={b_frames}:scenecut=0"})
    path = write_video(tmp_path / "raw.h264", clip)
    data = path.read_bytes()
    starts = slices_of(data)
    path.write_bytes(data[: starts[0] * has_parameters] + data[starts[25] :])
    extent = Extent()
    numbers = [read_number(sample.image) for sample in sample_frames(path, 25, extent=extent)]
    assert numbers == list(range(50, 100))
    assert extent.missing_ranges(range(50)) == [(-25, 0)]
