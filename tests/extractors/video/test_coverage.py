"""Which grid points count as missing: after cuts, in holes, behind damage, and never in a file that is whole."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from pathlib import Path

import av
import pytest

from extractors.video.coverage import Extent, declared_end
from extractors.video.decode import sample_frames
from extractors.video.media import open_media
from extractors.video.probe import header_duration
from extractors.video.waveform import Waveform
from tests.support.poison import tagged_duration
from tests.support.videos import TICKS, Clip, read_number, remux, write_video

ROOT = Path(__file__).parents[3]
FASTSTART = {"movflags": "faststart"}
FRAMES = 250  # ten seconds, with a key frame every second
FPS = 2
VPX = {"cpu-used": "8", "lag-in-frames": "0"}
X265 = "log-level=none:pools=1"
CLIPS = {
    "mp4": Clip(frames=FRAMES, gop=25, sound="aac", container_options=FASTSTART),
    "mov": Clip("mpeg4", FRAMES, gop=25, sound="pcm_s16le", container_options=FASTSTART),
    "mkv": Clip(frames=FRAMES, gop=25, sound="libopus", sound_rate=48_000),
    "webm": Clip("libvpx", FRAMES, gop=25, options=VPX),
    "avi": Clip("mpeg4", FRAMES, gop=25, sound="libmp3lame"),
    "flv": Clip("flv", FRAMES, gop=25, sound="libmp3lame"),
    "ts": Clip(frames=FRAMES, gop=25, sound="aac"),
    "mpg": Clip("mpeg2video", FRAMES, gop=25, sound="mp2"),
}
CUT_IS_TOLD = ("mp4", "mov", "mkv", "webm", "avi", "flv")  # MPEG streams know no length but that of what is there
KEEPS_TIME = [name for name in CLIPS if name != "avi"]  # AVI counts frames, so that what is behind a hole moves up


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("clips")
    return {name: write_video(folder / f"clip.{name}", clip).read_bytes() for name, clip in CLIPS.items()}


def sampled(data: bytes, *, selective: bool = True, **segment: int) -> tuple[dict[int, int], Extent]:
    """The frame at each grid point, and the declared extent."""
    extent = Extent()
    found = sample_frames(io.BytesIO(data), FPS, selective, waveform=Waveform(), extent=extent, **segment)  # type: ignore[arg-type]
    return {sample.index: read_number(sample.image) for sample in found}, extent


def blanked(data: bytes, start: float, end: float) -> bytes:
    """With zeros over a part of the file."""
    first, last = int(len(data) * start), int(len(data) * end)
    return data[:first] + bytes(last - first) + data[last:]


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("selective", [True, False])
def test_an_intact_file_has_full_coverage(name: str, selective: bool, clips: dict[str, bytes]) -> None:
    samples, extent = sampled(clips[name], selective=selective)
    assert extent.missing_ranges(list(samples)) == []
    assert (extent.first, extent.stop, len(samples)) == (0, extent.stop, extent.stop)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("selective", [True, False])
def test_a_truncated_end_is_missing_if_the_header_declares_it(
    name: str, selective: bool, clips: dict[str, bytes]
) -> None:
    data = clips[name]
    samples, extent = sampled(data[: int(len(data) * 0.7)], selective=selective)
    missing = extent.missing_ranges(list(samples))
    if name in CUT_IS_TOLD:
        ((first, stop),) = missing
        assert (first, stop) == (len(samples), extent.stop)
        assert 12 <= first <= 16
        assert stop in (20, 21)  # some containers count a frame more
    assert all(0 <= index * 12.5 - number < 2 for index, number in samples.items())


@pytest.mark.parametrize("name", KEEPS_TIME)
@pytest.mark.parametrize("selective", [True, False])
def test_after_a_hole_timestamps_are_correct(name: str, selective: bool, clips: dict[str, bytes]) -> None:
    samples, extent = sampled(blanked(clips[name], 0.4, 0.6), selective=selective)
    ((first, stop),) = extent.missing_ranges(list(samples))
    assert 6 <= first <= 10
    assert 2 <= stop - first <= 7
    assert extent.stop == 20
    # What is there is the right picture: never an old one that went on being shown.
    for index, number in samples.items():
        assert 0 <= index * 12.5 - number <= 1


@pytest.mark.parametrize("name", ["mkv", "ts", "mpg", "flv"])
def test_removed_packets_are_a_hole(name: str, clips: dict[str, bytes]) -> None:
    data = clips[name]
    samples, extent = sampled(data[: int(len(data) * 0.4)] + data[int(len(data) * 0.65) :])
    ((first, stop),) = extent.missing_ranges(list(samples))
    assert 6 <= first <= 10
    assert 3 <= stop - first <= 8


def test_frames_between_a_damaged_one_and_the_next_key_frame_are_missing(tmp_path: Path) -> None:
    clip = Clip(frames=FRAMES, gop=50, options={"x264-params": "bframes=0:scenecut=0"})
    path = write_video(tmp_path / "clip.mp4", clip)
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(container.streams.video[0]) if packet.size]
    position, size = packets[60]
    data = bytearray(path.read_bytes())
    data[position : position + size] = bytes(size)
    for selective in (True, False):
        samples, extent = sampled(bytes(data), selective=selective)
        assert extent.missing_ranges(list(samples)) == [(5, 8)]  # frames 60 to 99 of 12.5 a grid point
        assert samples[4] == 50
        assert samples[8] == 100


@pytest.mark.parametrize("text", ["", "-1:00:00.0", "0:0:1/3", "0:0:1e2", "99999999999:0:0", "١:2:3:4", "nan:0:0"])
def test_a_tag_that_holds_no_time_is_no_duration(text: str, tmp_path: Path) -> None:
    samples, extent = sampled(tagged_duration(tmp_path / "clip.mkv", text).read_bytes())
    assert list(samples) == list(range(8))
    assert extent.missing_ranges(list(samples)) == []


def test_a_tag_that_names_an_endless_number_is_not_computed(tmp_path: Path) -> None:
    """In a process of its own: the interpreter cannot be interrupted while it computes a power."""
    path = tagged_duration(tmp_path / "clip.mkv", "0:0:1e999999999999")
    program = "import sys; from extractors.video.decode import sample_frames as f; print(len(list(f(sys.argv[1]))))"
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, cwd=ROOT, timeout=300, check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout == "4\n"


def test_damage_before_the_first_picture_is_missing_before_time_zero(tmp_path: Path) -> None:
    clip = Clip(frames=100, gop=25, options={"x264-params": "bframes=0:scenecut=0"})
    path = write_video(tmp_path / "clip.mp4", clip)
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(container.streams.video[0]) if packet.size]
    data = bytearray(path.read_bytes())
    for position, size in packets[:40]:
        data[position : position + size] = bytes(size)
    samples, extent = sampled(bytes(data))
    assert samples == {0: 50, 1: 62, 2: 75, 3: 87}
    assert extent.missing_ranges(list(samples)) == [(-4, 0)]


# suffix, clip with a key frame every second, packets cut off, and frames lost before the first intact one
CUT_STARTS = {
    "h264": (".ts", Clip(frames=100, options={"x264-params": "keyint=25:scenecut=0:bframes=2"}), 1, 24),
    "h264 in MP4": (".mp4", Clip(frames=100, options={"x264-params": "keyint=25:scenecut=0:bframes=2"}), 1, 24),
    "h264 with intra refresh": (
        ".ts",
        Clip(frames=100, options={"x264-params": "keyint=25:bframes=0:intra-refresh=1"}),
        1,
        34,
    ),
    "hevc": (".mkv", Clip("libx265", 100, options={"x265-params": f"{X265}:keyint=25:scenecut=0:bframes=0"}), 5, 20),
    "mpeg2": (".ts", Clip("mpeg2video", 100, gop=25, b_frames=2), 1, 26),
    "mpeg2, at a key frame": (".mkv", Clip("mpeg2video", 100, gop=25, b_frames=2), 25, 2),
    "mpeg4": (".mkv", Clip("mpeg4", 100, gop=25), 1, 24),
    "flv1": (".flv", Clip("flv", 100, gop=25), 1, 24),
    "wmv2": (".asf", Clip("wmv2", 100, gop=25), 1, 24),
    "vp8": (".webm", Clip("libvpx", 100, gop=25, options=VPX), 1, 24),
    "vp9": (".webm", Clip("libvpx-vp9", 100, gop=25, options=VPX), 1, 24),
}


@pytest.mark.parametrize("name", CUT_STARTS)
def test_pictures_before_the_first_key_frame_are_missing_before_time_zero(name: str, tmp_path: Path) -> None:
    suffix, clip, skipped, lost = CUT_STARTS[name]
    path = remux(write_video(tmp_path / f"whole{suffix}", clip), tmp_path / f"cut{suffix}", skip_packets=skipped)
    data = path.read_bytes()
    for selective in (True, False):
        for fps in (1, 25):
            extent = Extent()
            found = list(sample_frames(io.BytesIO(data), fps, selective, extent=extent))
            missing = extent.missing_ranges([sample.index for sample in found])
            assert missing == [(-math.ceil(lost * fps / 25), 0)]
            assert read_number(found[0].image) == skipped + lost
            assert read_number(found[-1].image) >= 74


def test_segments_report_their_own_missing_ranges(clips: dict[str, bytes]) -> None:
    data = clips["mkv"][: int(len(clips["mkv"]) * 0.55)]
    parts = [(0, 3), (3, 6), (6, 9), (9, None)]
    counts = []
    for start, end in parts:
        segment = {"start_seconds": start} | ({} if end is None else {"end_seconds": end})
        samples, extent = sampled(data, **segment)
        missing = sum(stop - first for first, stop in extent.missing_ranges(list(samples)))
        counts.append((len(samples), missing))
    assert [there + missing for there, missing in counts] == [6, 6, 6, 2]
    assert counts[0] == (6, 0)
    assert counts[3] == (0, 2)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_still_frame_is_not_a_hole(suffix: str, tmp_path: Path) -> None:
    stamps = [*range(0, 2 * TICKS, 3600), 8 * TICKS, 8 * TICKS + 3600, 15 * TICKS]
    path = write_video(tmp_path / f"still{suffix}", Clip(frames=len(stamps), pts=stamps))
    for selective in (True, False):
        samples, extent = sampled(path.read_bytes(), selective=selective)
        assert extent.missing_ranges(list(samples)) == []
        assert len(samples) >= 30


def test_audio_after_the_last_frame_does_not_extend_the_declared_end(tmp_path: Path) -> None:
    for suffix in ("mp4", "mkv", "flv", "ts"):
        codec = "flv" if suffix == "flv" else "libx264"
        path = write_video(tmp_path / f"loud.{suffix}", Clip(codec, 75, sound="libmp3lame", sound_seconds=9.0))
        samples, extent = sampled(path.read_bytes())
        assert (extent.missing_ranges(list(samples)), extent.stop) == ([], 6)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".flv", ".ts"])
def test_a_late_start_does_not_extend_the_declared_end(suffix: str, tmp_path: Path) -> None:
    codec = "flv" if suffix == ".flv" else "libx264"
    path = write_video(tmp_path / f"late{suffix}", Clip(codec, pts=[5 * TICKS + 3600 * n for n in range(100)]))
    samples, extent = sampled(path.read_bytes())
    assert (extent.missing_ranges(list(samples)), len(samples)) == ([], 8)
    with open_media(path) as media:
        seconds = header_duration(media)
    assert seconds is not None
    assert 3.9 < seconds < 4.2


def test_an_absurd_declared_duration_is_ignored(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", Clip(frames=50))
    data = path.read_bytes().replace(b"00:00:02.000000000", b"99:00:02.000000000")
    path.write_bytes(data.replace(b"\x44\x89\x88", b"\x44\x89\x88\x42\x70", 1)[: len(data)])
    with open_media(path) as media:
        assert declared_end(media, path) is None
        assert header_duration(media) is None
    samples, extent = sampled(path.read_bytes())
    assert (extent.missing_ranges(list(samples)), len(samples)) == ([], 4)


def test_an_unexplained_jump_of_the_timestamps_is_a_splice(tmp_path: Path) -> None:
    stamps = [*range(0, 2 * TICKS, 3600), *range(90_000 * TICKS, 90_002 * TICKS, 3600)]
    path = write_video(tmp_path / "jump.ts", Clip(frames=100, pts=stamps, options={"x264-params": "bframes=0"}))
    for selective in (True, False):
        samples, extent = sampled(path.read_bytes(), selective=selective)
        assert samples == {0: 0, 1: 12, 2: 25, 3: 37, 4: 50, 5: 62, 6: 75, 7: 87}
        assert extent.missing_ranges(list(samples)) == []


def test_missing_points_are_reported_as_ranges() -> None:
    extent = Extent()
    extent.first, extent.stop, extent.head_points = 10, 20, 2
    assert extent.missing_ranges([10, 11, 14, 19]) == [(-2, 0), (12, 14), (15, 19)]
    assert Extent().missing_ranges([]) == []
