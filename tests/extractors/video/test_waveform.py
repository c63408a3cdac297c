"""Audio windows are aligned with the grid of the first frame for every codec, layout and container; gaps are silent.

Those that are passed on during a long pass are the same to the bit.
"""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.networks.log_mel import log_mel
from extractors.video.decode import sample_frames
from extractors.video.grid import Grid
from extractors.video.media import open_media
from extractors.video.packets import PacketReader
from extractors.video.waveform import BLOCK_SECONDS, BLOCK_WINDOWS, RATE_HZ, WINDOW_SAMPLES, Waveform
from tests.support.boxes import with_sample_entry
from tests.support.recordings import Recording, join, write_recording
from tests.support.sounds import Track, write_with_sound
from tests.support.videos import Clip, write_video

BURST_SECONDS = 0.45

# suffix, codec, rate, layout; how many samples (of 1/16,000 s) the container's clock may stray; how loud it must be
EXACT = 2
MILLISECOND_CLOCK = 9  # such a clock rounds by half a millisecond
TRACKS = {
    "pcm 8 kHz": (".mkv", "pcm_s16le", 8_000, "mono", EXACT, 0.7),
    "pcm 16 kHz": (".mkv", "pcm_s16le", 16_000, "mono", EXACT, 0.7),
    "pcm stereo": (".mov", "pcm_s16le", 44_100, "stereo", EXACT, 0.7),
    "pcm 7.1": (".mov", "pcm_s16le", 48_000, "7.1", EXACT, 0.7),
    "pcm of 16 channels": (".mkv", "pcm_s16le", 48_000, "hexadecagonal", EXACT, 0.7),
    "pcm in AVI": (".avi", "pcm_s16le", 48_000, "stereo", EXACT, 0.7),
    "float pcm": (".mov", "pcm_f32le", 16_000, "mono", EXACT, 0.7),
    "mu-law": (".mov", "pcm_mulaw", 8_000, "mono", EXACT, 0.7),
    "aac": (".mp4", "aac", 44_100, "stereo", EXACT, 0.7),
    "aac 8 kHz": (".mp4", "aac", 8_000, "mono", EXACT, 0.7),
    "aac 7.1": (".mp4", "aac", 48_000, "7.1", EXACT, 0.61),  # its low frequency channel drops the burst
    "aac 5.1": (".mkv", "aac", 48_000, "5.1", MILLISECOND_CLOCK, 0.58),
    "aac in MPEG-TS": (".ts", "aac", 48_000, "stereo", EXACT, 0.69),
    "aac in FLV": (".flv", "aac", 44_100, "stereo", MILLISECOND_CLOCK, 0.69),
    "opus": (".mkv", "libopus", 48_000, "stereo", MILLISECOND_CLOCK, 0.7),
    "mp3": (".mkv", "libmp3lame", 44_100, "stereo", MILLISECOND_CLOCK, 0.66),
    "mp3 16 kHz": (".mov", "libmp3lame", 16_000, "mono", EXACT, 0.66),
    "mp2": (".mpg", "mp2", 48_000, "stereo", EXACT, 0.69),
    "flac": (".mkv", "flac", 48_000, "stereo", EXACT, 0.7),
    "flac 5.1": (".mkv", "flac", 44_100, "5.1", MILLISECOND_CLOCK, 0.7),
    "alac": (".mp4", "alac", 44_100, "stereo", EXACT, 0.7),
    "ac3": (".mkv", "ac3", 48_000, "stereo", MILLISECOND_CLOCK, 0.7),
    "ac3 5.1": (".ts", "ac3", 48_000, "5.1", EXACT, 0.58),
}


def channels(layout: str) -> int:
    return av.AudioLayout(layout).nb_channels


def burst(rate: int, seconds: float, at_seconds: float = BURST_SECONDS) -> NDArray[np.float32]:
    """(samples,) float32: ten milliseconds of 1 kHz around `at_seconds`, in silence."""
    t = np.arange(round(rate * seconds)) / rate - at_seconds
    return (0.7 * np.exp(-((t / 0.01) ** 2)) * np.cos(2000 * np.pi * t)).astype(np.float32)


def swell(rate: int, seconds: float) -> NDArray[np.float32]:
    """(samples,) float32: a 440 Hz tone of varying loudness."""
    t = np.arange(round(rate * seconds)) / rate
    return (0.4 * np.sin(880 * np.pi * t) * (1 + 0.5 * np.sin(1.4 * np.pi * t))).astype(np.float32)


class Receiver:
    """Holds the windows that a waveform passes on, and calls for the others after the pass."""

    def __init__(self, held_seconds: int) -> None:
        self.waveform = Waveform(self.receive, held_seconds)
        self.windows: dict[int, NDArray[np.float32]] = {}
        self.passed_on = 0

    def receive(self, first: int, windows: NDArray[np.float32]) -> None:
        self.windows.update(enumerate(windows.copy(), first))
        self.passed_on += len(windows)

    def complete(self, points: Sequence[int]) -> NDArray[np.float32]:
        """The windows at `points`."""
        next_point = self.waveform.next_point or 0
        late = [index for index in points if index >= next_point]
        self.windows = {index: window for index, window in self.windows.items() if index < next_point}
        self.windows.update(zip(late, self.waveform.windows(late), strict=True))
        return np.stack([self.windows[index] for index in points])


def streamed(path: Path, held_seconds: int = 2, selective: bool = True) -> tuple[NDArray[np.float32], int]:
    """All windows, and how many were passed on during the pass."""
    receiver = Receiver(held_seconds)
    points = [sample.index for sample in sample_frames(path, selective=selective, waveform=receiver.waveform)]
    return receiver.complete(points), receiver.passed_on


def mono(samples: NDArray[np.float32], start: float = 0.0) -> Track:
    return Track(((start, samples[None]),), rate=RATE_HZ)


def windows_of(path: Path, **segment: int) -> NDArray[np.float32]:
    waveform = Waveform()
    points = [sample.index for sample in sample_frames(path, waveform=waveform, **segment)]  # type: ignore[arg-type]
    return waveform.windows(points)


def lag(window: NDArray[np.float32], at_seconds: float = BURST_SECONDS) -> int:
    """By how many samples the burst comes late."""
    lags = range(-800, 801)
    expected = burst(RATE_HZ, WINDOW_SAMPLES / RATE_HZ, at_seconds)
    return lags[int(np.argmax([np.dot(np.roll(expected, lag), window) for lag in lags]))]


@pytest.mark.parametrize("name", TRACKS)
def test_a_burst_is_in_the_window_of_its_frame(name: str, tmp_path: Path) -> None:
    suffix, codec, rate, layout, tolerance, loudness = TRACKS[name]
    samples = np.tile(burst(rate, 3), (channels(layout), 1))
    path = write_with_sound(tmp_path / f"clip{suffix}", Track(((0.0, samples),), codec, rate, layout), seconds=3)
    windows = windows_of(path)
    assert windows.shape == (3, WINDOW_SAMPLES)
    assert windows.dtype == np.float32
    assert abs(lag(windows[0])) <= tolerance
    assert np.abs(windows[0]).max() == pytest.approx(loudness, abs=0.02)
    assert np.abs(windows[1:]).max() < 0.01


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "pcm_s16le"), (".mp4", "aac"), (".ts", "aac"), (".mkv", "flac")]
)
def test_time_zero_is_the_first_frame(suffix: str, codec: str, tmp_path: Path) -> None:
    track = Track(((3.0, burst(48_000, 3)[None]),), codec)
    windows = windows_of(write_with_sound(tmp_path / f"clip{suffix}", track, seconds=3, start=3.0))
    assert abs(lag(windows[0])) <= 16  # MP4's edit list counts milliseconds


def test_the_windows_are_those_of_the_grid(tmp_path: Path) -> None:
    samples = swell(RATE_HZ, 4)
    path = write_with_sound(tmp_path / "clip.mov", mono(samples), seconds=4)
    waveform = Waveform()
    count = len(list(sample_frames(path, "2.5", waveform=waveform)))
    windows = waveform.windows(range(count))
    assert count == 10
    padded = np.concatenate([samples, np.zeros(WINDOW_SAMPLES, np.float32)])
    for number, window in enumerate(windows):
        expected = padded[round(number * RATE_HZ / 2.5) :][:WINDOW_SAMPLES]
        np.testing.assert_allclose(window, expected, atol=2e-4)


# Channels of other positions in another order than libav's, by Apple's labels.
ORDERS = {"stereo": (2, 1), "5.1": (1, 2, 5, 6, 3, 4), "7.1": (3, 7, 8, 1, 2, 5, 6, 4), "quad": (5, 6, 1, 2)}


@pytest.mark.parametrize("layout", ORDERS)
@pytest.mark.parametrize(("codec", "suffix", "fixed_bytes"), [("pcm_s16le", ".mov", 44), ("flac", ".mp4", 28)])
def test_the_order_of_the_channels_makes_no_difference(
    layout: str, codec: str, suffix: str, fixed_bytes: int, tmp_path: Path
) -> None:
    tones = np.stack([swell(RATE_HZ, 2) * (number + 1) / 8 for number in range(channels(layout))])
    path = write_with_sound(tmp_path / f"clip{suffix}", Track(((0.0, tones),), codec, RATE_HZ, layout), seconds=2)
    expected = windows_of(path)
    np.testing.assert_allclose(expected[0], tones.mean(axis=0)[:WINDOW_SAMPLES], atol=2e-4)
    labels = [struct.pack(">II12x", label, 0) for label in ORDERS[layout]]
    description = bytes(12) + len(labels).to_bytes(4) + b"".join(labels)
    path.write_bytes(with_sample_entry(path.read_bytes(), b"soun", fixed_bytes, {b"chan": description}))
    for _ in range(3):  # a pointer that is freed twice ends the process once its memory is used again
        np.testing.assert_array_equal(windows_of(path), expected)


def test_channels_are_averaged(tmp_path: Path) -> None:
    tone = swell(RATE_HZ, 2)
    both = np.stack([tone, np.zeros_like(tone)])
    path = write_with_sound(tmp_path / "clip.mkv", Track(((0.0, both),), rate=RATE_HZ, layout="stereo"), seconds=2)
    np.testing.assert_allclose(windows_of(path)[0], tone[:WINDOW_SAMPLES] / 2, atol=2e-4)


def test_opposite_channels_cancel(tmp_path: Path) -> None:
    tone = swell(RATE_HZ, 2)
    track = Track(((0.0, np.stack([tone, -tone])),), rate=RATE_HZ, layout="stereo")
    assert np.abs(windows_of(write_with_sound(tmp_path / "clip.mkv", track, seconds=2))).max() < 1e-4


def test_before_a_late_track_there_is_silence(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "clip.mkv", mono(swell(RATE_HZ, 2), start=1.5), seconds=4)
    windows = windows_of(path)
    assert not windows[0].any()
    assert not windows[1][: RATE_HZ // 2 - 20].any()
    np.testing.assert_allclose(windows[2], swell(RATE_HZ, 2)[RATE_HZ // 2 :][:WINDOW_SAMPLES], atol=2e-4)


def test_after_a_short_track_there_is_silence(tmp_path: Path) -> None:
    windows = windows_of(write_with_sound(tmp_path / "clip.mkv", mono(swell(RATE_HZ, 1.5)), seconds=4))
    assert windows[1].any()
    assert not windows[1][RATE_HZ // 2 + 20 :].any()
    assert not windows[2:].any()


def test_a_long_track_ends_with_the_video(tmp_path: Path) -> None:
    samples = swell(RATE_HZ, 9)
    windows = windows_of(write_with_sound(tmp_path / "clip.mkv", mono(samples), seconds=3))
    assert len(windows) == 3
    np.testing.assert_allclose(windows[2], samples[2 * RATE_HZ :][:WINDOW_SAMPLES], atol=2e-4)


def test_audio_before_the_first_frame_is_dropped(tmp_path: Path) -> None:
    samples = swell(RATE_HZ, 5)
    windows = windows_of(write_with_sound(tmp_path / "clip.mkv", mono(samples), seconds=3, start=2.0))
    np.testing.assert_allclose(windows[0], samples[2 * RATE_HZ :][:WINDOW_SAMPLES], atol=2e-4)


def test_gaps_are_silent_and_later_samples_keep_their_time(tmp_path: Path) -> None:
    track = Track(((0.0, swell(RATE_HZ, 1)[None]), (2.0, swell(RATE_HZ, 2)[None])), rate=RATE_HZ)
    windows = windows_of(write_with_sound(tmp_path / "clip.mkv", track, seconds=4))
    np.testing.assert_allclose(windows[0], swell(RATE_HZ, 1)[:WINDOW_SAMPLES], atol=2e-4)
    assert not windows[1].any()
    np.testing.assert_allclose(windows[2], swell(RATE_HZ, 2)[:WINDOW_SAMPLES], atol=2e-4)


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [
        (".mkv", "pcm_s16le", 16_000),
        (".mkv", "pcm_s16le", 44_100),
        (".mp4", "aac", 44_100),
        (".mkv", "aac", 48_000),
        (".mkv", "libopus", 48_000),
        (".mp4", "libmp3lame", 44_100),
        (".mkv", "flac", 48_000),
        (".mkv", "ac3", 48_000),
        (".ts", "ac3", 48_000),
    ],
)
def test_windows_of_segments_are_those_of_the_whole(suffix: str, codec: str, rate: int, tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / f"clip{suffix}", Track(((0.0, swell(rate, 9)[None]),), codec, rate), seconds=9)
    whole = windows_of(path)
    parts = [windows_of(path, start_seconds=start, end_seconds=start + 3) for start in (0, 3, 6)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=0.06)  # half a sample of 440 Hz
    np.testing.assert_allclose(log_mel(np.concatenate(parts)), log_mel(whole), atol=0.25)


@pytest.mark.parametrize("selective", [True, False])
def test_selective_and_full_decoding_give_the_same_windows(selective: bool, tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "clip.mkv", mono(swell(RATE_HZ, 5)), seconds=5)
    waveform = Waveform()
    count = len(list(sample_frames(path, selective=selective, waveform=waveform, start_seconds=1, end_seconds=3)))
    assert count == 2
    assert waveform.has_audio
    np.testing.assert_allclose(
        waveform.windows([1, 2])[1], swell(RATE_HZ, 5)[2 * RATE_HZ :][:WINDOW_SAMPLES], atol=2e-4
    )


def test_a_video_without_sound_is_silent(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "clip.mp4", None, seconds=2)
    waveform = Waveform()
    assert len(list(sample_frames(path, waveform=waveform))) == 2
    assert not waveform.has_audio
    assert not waveform.windows([0, 1]).any()
    assert waveform.windows([]).shape == (0, WINDOW_SAMPLES)


def test_a_rate_that_cannot_be_heard_is_no_sound(tmp_path: Path) -> None:
    """Each second of the file would otherwise become hours of samples."""
    path = write_with_sound(tmp_path / "clip.mov", Track(((0.0, swell(48_000, 2)[None]),)), seconds=2)
    data = path.read_bytes()
    claim = struct.pack(">HHI", 0, 0, 48_000 << 16)  # the end of the description of the samples
    assert data.count(claim) == 1
    path.write_bytes(data.replace(claim, struct.pack(">HHI", 0, 0, 2 << 16)))
    with av.open(str(path)) as container:
        assert container.streams.audio[0].rate == 2
    waveform = Waveform()
    points = [sample.index for sample in sample_frames(path, waveform=waveform)]
    assert not waveform.windows(points).any()
    assert not waveform.has_audio


def test_samples_are_clipped_and_nan_becomes_silence(tmp_path: Path) -> None:
    samples = swell(RATE_HZ, 2)
    samples[100:200], samples[300], samples[400], samples[500:600] = np.nan, np.inf, -np.inf, 7.0
    windows = windows_of(
        write_with_sound(tmp_path / "clip.mov", Track(((0.0, samples[None]),), "pcm_f32le", RATE_HZ), seconds=2)
    )
    assert np.isfinite(windows).all()
    assert np.abs(windows).max() <= 1
    assert (windows[0, 100:200] == 0).all()
    assert (windows[0, [300, 400]] == [1, -1]).all()
    assert (windows[0, 500:600] == 1).all()
    np.testing.assert_array_equal(windows[0, 600:5000], samples[600:5000])


def test_a_damaged_packet_silences_its_own_duration_only(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "clip.mkv", Track(((0.0, swell(48_000, 4)[None]),), "flac"), seconds=4)
    whole = windows_of(path)
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]
    data = path.read_bytes()
    assert data.count(packets[5]) == 1
    path.write_bytes(data.replace(packets[5], bytes(len(packets[5]))))
    damaged = windows_of(path)
    second = int(np.argmax(np.abs(damaged - whole).max(axis=1)))
    differing = np.flatnonzero(np.abs(damaged[second] - whole[second]) > 1e-3)
    assert 0 < np.ptp(differing) < RATE_HZ // 5
    assert np.abs(np.delete(damaged, second, axis=0) - np.delete(whole, second, axis=0)).max() < 0.04


def test_reset_clears_all_state(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", Clip(frames=50, sound="aac"))
    waveform = Waveform()
    list(sample_frames(path, waveform=waveform))
    first = waveform.windows([0, 1])
    waveform.reset()
    assert not waveform.has_audio
    list(sample_frames(path, waveform=waveform))
    np.testing.assert_array_equal(waveform.windows([0, 1]), first)


# Containers of which no segment can be reached without reading everything before it.
STREAMS = {
    ".ts": ("aac", 44_100),
    ".avi": ("pcm_s16le", 8_000),
    ".flv": ("libmp3lame", 44_100),
    ".nut": ("flac", 48_000),
}


@pytest.mark.parametrize("selective", [True, False])
@pytest.mark.parametrize("suffix", STREAMS)
def test_windows_passed_on_during_the_pass_are_those_of_the_whole(suffix: str, selective: bool, tmp_path: Path) -> None:
    codec, rate = STREAMS[suffix]
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 20 * rate)).astype(np.float32)
    path = write_with_sound(tmp_path / f"clip{suffix}", Track(((0.0, noise),), codec, rate), seconds=20)
    windows, passed_on = streamed(path, selective=selective)
    assert 15 <= passed_on < 20
    np.testing.assert_array_equal(windows, windows_of(path))


@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_windows_of_joined_recordings_are_those_of_the_whole(suffix: str, tmp_path: Path) -> None:
    sound = {".ts": "aac", ".mpg": "mp2"}[suffix]
    codec = {".ts": "libx264", ".mpg": "mpeg2video"}[suffix]
    parts = [
        write_recording(
            tmp_path / f"{first}{suffix}", Recording(first, seconds, rate=25, codec=codec, sound=sound, start=5.0)
        )
        for first, seconds in ((0, 12), (12, 4), (16, 6))
    ]
    path = join(tmp_path / f"joined{suffix}", *parts)
    windows, passed_on = streamed(path)
    assert passed_on >= 17, "again after the selective pass has ended at the second part"
    np.testing.assert_array_equal(windows, windows_of(path))


def test_a_pass_over_drifting_sound_is_repeated_for_the_same_windows(tmp_path: Path) -> None:
    """The timestamps of 20 s drift by 20 ms: their mean, known at the end, is elsewhere than at the start."""
    samples = swell(RATE_HZ, 20)
    blocks = np.split(samples, 200)
    pieces = tuple((number * 0.1 * 1.001, block[None]) for number, block in enumerate(blocks))
    path = write_with_sound(tmp_path / "clip.nut", Track(pieces, rate=RATE_HZ), seconds=20)
    windows, passed_on = streamed(path)
    assert passed_on > 30, "in two passes"
    np.testing.assert_array_equal(windows, windows_of(path))


def test_memory_does_not_depend_on_the_length_of_the_video(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "clip.avi", mono(swell(RATE_HZ, 400)), seconds=400, rate=1)
    count = 0

    def receive(_: int, windows: NDArray[np.float32]) -> None:
        nonlocal count
        count += len(windows)

    waveform = Waveform(receive, held_seconds=10)
    tracemalloc.start()
    try:
        points = [sample.index for sample in sample_frames(path, waveform=waveform)]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(points) == 400
    assert count > 380
    assert peak_bytes < 8 << 20, "400 seconds of samples are 24 MiB"


def test_windows_wait_for_the_pictures(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "clip.mkv", mono(swell(RATE_HZ, 9)), seconds=9)
    receiver = Receiver(held_seconds=3)
    waveform = receiver.waveform
    with open_media(path) as media:
        assert media.video.time_base is not None
        waveform.place(Grid(Fraction(1), media.video.time_base, 0))
        waveform.reach(1)
        waveform.reach(2)
        waveform.finish(PacketReader(media, waveform))
    assert list(receiver.windows) == [1, 2]
    assert waveform.next_point == 3


def test_blocks_are_the_windows_a_few_at_a_time(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "clip.mov", mono(swell(RATE_HZ, 3)), seconds=3)
    waveform = Waveform()
    list(sample_frames(path, waveform=waveform))
    points = [*range(2 * BLOCK_WINDOWS + 3), 10**4, 10**4 + BLOCK_SECONDS, 10**9]
    blocks = list(waveform.blocks(points))
    assert [len(block) for block in blocks] == [BLOCK_WINDOWS, BLOCK_WINDOWS, 3, 2, 1]
    np.testing.assert_array_equal(blocks[0][:3], waveform.windows(range(3)))
    assert not any(block.any() for block in blocks[1:])
    assert list(waveform.blocks([])) == []
