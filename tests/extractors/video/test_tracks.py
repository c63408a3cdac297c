"""Of several tracks, those are taken that a player would use, and the file object says which."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from extractors.video.decode import sample_frames
from extractors.video.media import open_media
from extractors.video.waveform import RATE_HZ, WINDOW_SAMPLES, Waveform
from tests.support.transport import multiplex

RATE = 48_000
NONE, DEFAULT = Disposition(0), Disposition.default


@dataclass(frozen=True)
class Sound:
    """A track with a tone of its own. Without `samples` it is declared, and empty."""

    hz: int
    disposition: Disposition = NONE
    language: str = ""
    has_samples: bool = True


def write(path: Path, sounds: Sequence[Sound], pictures: Sequence[Disposition] = (DEFAULT,), **options: str) -> Path:
    """Two seconds: a picture of its own grey for each video stream, and the sounds, which come first in the file."""
    with av.open(str(path), "w", options=options) as container:
        audio = [(sound, container.add_stream("aac", rate=RATE, layout="mono")) for sound in sounds]
        for sound, stream in audio:
            stream.disposition = sound.disposition
            if sound.language:
                stream.metadata["language"] = sound.language
        video = [container.add_stream("mpeg2video", rate=25) for _ in pictures]
        for disposition, stream in zip(pictures, video, strict=True):
            stream.width, stream.height, stream.pix_fmt, stream.disposition = 96, 48, "yuv420p", disposition
        for number in range(50):
            for which, stream in enumerate(video):
                image = np.full((48, 96, 3), 50 * (which + 1), np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
            for sound, stream in audio:
                if sound.has_samples:
                    container.mux(stream.encode(tone(sound.hz, number)))
        for stream in video:
            container.mux(stream.encode(None))
        for sound, stream in audio:
            container.mux(stream.encode(None) if sound.has_samples else [])
    return path


def tone(hz: int, number: int) -> av.AudioFrame:
    """The samples beside picture `number`."""
    times = (np.arange(RATE // 25) + number * RATE // 25) / RATE
    samples = (0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, number * RATE // 25, Fraction(1, RATE)
    return frame


def heard(source: Path | io.BytesIO) -> tuple[int, int]:
    """Number of the picture that was taken, and the tone in Hz; 0 where it is silent."""
    waveform = Waveform()
    samples = list(sample_frames(source, waveform=waveform))
    (window, *_) = waveform.windows([sample.index for sample in samples])
    spectrum = np.abs(np.fft.rfft(window))
    hz = round(int(spectrum.argmax()) * RATE_HZ / WINDOW_SAMPLES, -1) if window.any() else 0
    return round(samples[0].image.mean() / 50) - 1, hz


def choice_of(source: Path | io.BytesIO) -> str | None:
    with open_media(source) as media:
        return media.choice


PLAIN = Sound(300), Sound(500)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mov"])
def test_without_a_choice_nothing_is_said(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"clip{suffix}", [Sound(300, DEFAULT)])
    assert heard(path) == (0, 300)
    assert choice_of(path) is None
    silent = write(tmp_path / f"silent{suffix}", [])
    assert heard(silent) == (0, 0)
    assert choice_of(silent) is None


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("sounds", "expected"),
    [
        ([Sound(300, DEFAULT), Sound(500)], 300),
        ([Sound(300), Sound(500, DEFAULT)], 500),
        ([Sound(300), Sound(500)], 300),
        ([Sound(300, DEFAULT, "deu"), Sound(500, DEFAULT, "eng")], 300),
        ([Sound(300, Disposition.comment), Sound(500)], 500),
        ([Sound(300, DEFAULT | Disposition.comment), Sound(500, DEFAULT)], 500),
        ([Sound(300, Disposition.visual_impaired), Sound(500, Disposition.hearing_impaired), Sound(700)], 700),
        ([Sound(300, Disposition.comment), Sound(500, Disposition.comment | DEFAULT)], 500),
    ],
)
def test_the_default_track_is_heard_and_no_commentary(
    suffix: str, sounds: list[Sound], expected: int, tmp_path: Path
) -> None:
    path = write(tmp_path / f"clip{suffix}", sounds)
    for source in (path, io.BytesIO(path.read_bytes())):
        assert heard(source) == (0, expected)
    number = [sound.hz for sound in sounds].index(expected)
    assert choice_of(path) == f"audio {number} of {', '.join(map(str, range(len(sounds))))}"


def test_a_description_for_blind_viewers_in_a_transport_stream_is_not_heard(tmp_path: Path) -> None:
    sounds = [Sound(300, Disposition.visual_impaired, "eng"), Sound(500, NONE, "eng")]
    assert heard(write(tmp_path / "clip.ts", sounds)) == (0, 500)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("pictures", "expected"),
    [
        ([DEFAULT, NONE], 0),
        ([NONE, DEFAULT], 1),
        ([NONE, NONE], 0),
        ([Disposition.comment | DEFAULT, DEFAULT], 1),
        ([DEFAULT, DEFAULT], 0),
    ],
)
def test_the_default_picture_is_seen(suffix: str, pictures: list[Disposition], expected: int, tmp_path: Path) -> None:
    path = write(tmp_path / f"clip{suffix}", [Sound(300)], pictures)
    assert heard(path) == (expected, 300)
    assert choice_of(path) == f"video {expected + 1} of 1, 2"


def test_both_choices_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mkv", PLAIN, [NONE, DEFAULT])
    assert choice_of(path) == "video 3 of 2, 3; audio 0 of 0, 1"


def test_the_sound_is_that_of_the_pictures_programme(tmp_path: Path) -> None:
    radio = write(tmp_path / "radio.ts", [Sound(700)], [], mpegts_start_pid="0x200", mpegts_pmt_start_pid="0x1f0")
    television = write(
        tmp_path / "television.ts", PLAIN, mpegts_start_pid="0x300", mpegts_pmt_start_pid="0x1f8", mpegts_service_id="2"
    )
    path = tmp_path / "both.ts"
    path.write_bytes(multiplex(radio.read_bytes(), television.read_bytes()))
    with open_media(path) as media:
        assert [stream.type for stream in media.container.streams] == ["audio", "audio", "audio", "video"]
        dispositions = [stream.disposition for stream in media.container.streams]
    assert heard(path) == (0, 300)
    assert choice_of(path) == "audio 1 of 0, 1, 2"
    assert dispositions == [NONE] * 4, "as in the file"
