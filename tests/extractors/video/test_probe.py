"""What is read from headers is what was encoded."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from extractors.video.media import open_media
from extractors.video.probe import header_duration, probe, size_bytes
from schemas.outcomes import FailureCode, VideoError
from tests.support.videos import TICKS, Clip, write_video

CLIPS = {
    ".mp4": ("libx264", "h264", "aac", "aac"),
    ".mkv": ("libx264", "h264", "flac", "flac"),
    ".webm": ("libvpx-vp9", "vp9", "libopus", "opus"),
    ".ts": ("mpeg2video", "mpeg2video", "mp2", "mp2"),
    ".avi": ("mpeg4", "mpeg4", "libmp3lame", "mp3"),
    ".mov": ("mjpeg", "mjpeg", "pcm_s16le", "pcm_s16le"),
}


@pytest.mark.parametrize("suffix", CLIPS)
def test_properties_are_those_of_the_clip(suffix: str, tmp_path: Path) -> None:
    encoder, codec, sound_encoder, sound = CLIPS[suffix]
    pix_fmt = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
    clip = Clip(encoder, 50, width=96, height=48, pix_fmt=pix_fmt, sound=sound_encoder, sound_rate=48_000)
    path = write_video(tmp_path / f"clip{suffix}", clip)
    info = probe(path)
    assert (info.width, info.height, info.fps) == (96, 48, 25)
    assert (info.codec, info.has_audio, info.audio_codec) == (codec, True, sound)
    assert float(info.duration_seconds) == pytest.approx(2, abs=0.05)
    assert info.size_bytes == path.stat().st_size
    assert info.can_seek == (suffix in (".mp4", ".mov", ".mkv", ".webm"))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_the_first_timestamp_is_on_the_containers_clock(suffix: str, tmp_path: Path) -> None:
    late = Clip(frames=30, width=96, height=48, pts=[5 * TICKS + 3600 * number for number in range(30)])
    assert probe(write_video(tmp_path / f"late{suffix}", late)).first_frame_seconds == 5


def test_without_sound(tmp_path: Path) -> None:
    info = probe(write_video(tmp_path / "silent.mp4", Clip(frames=5)))
    assert (info.has_audio, info.audio_codec) == (False, None)


def test_without_a_duration_in_the_header_packets_are_read(tmp_path: Path) -> None:
    live = Clip(frames=50, width=96, height=48, container_options={"live": "1"})
    path = write_video(tmp_path / "live.mkv", live)
    with open_media(path) as media:
        assert header_duration(media) is None
    assert float(probe(path).duration_seconds) == pytest.approx(2, abs=0.05)


def test_a_raw_stream_is_as_long_as_its_packets(tmp_path: Path) -> None:
    for suffix, codec in ((".h264", "libx264"), (".m1v", "mpeg1video"), (".m4v", "mpeg4")):
        info = probe(write_video(tmp_path / f"raw{suffix}", Clip(codec, 60, rate=30)))
        assert float(info.duration_seconds) == pytest.approx(2, abs=0.05)
        assert info.fps == 30


def test_a_file_object_gives_the_same_properties(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", Clip(frames=5))
    source = io.BytesIO(path.read_bytes())
    assert probe(source) == probe(path)
    source.seek(7)
    assert size_bytes(source) == path.stat().st_size
    assert source.tell() == 7


def test_files_that_cannot_be_opened_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError) as caught:
        probe(tmp_path / "missing.mp4")
    assert caught.value.code == FailureCode.MISSING
    path = write_video(tmp_path / "large.mp4", Clip(frames=2))
    with pytest.raises(VideoError, match="192 x 96"):
        probe(path, max_pixels=1000)
