"""Sound is placed by its timestamps: gaps are silent, what overlaps counts once."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from extractors.cutting.sound_track import SoundReader, SoundTrack
from schemas.outcomes import FailureCode, VideoError
from tests.support.videos import Clip, write_video


@pytest.fixture
def reader(tmp_path: Path) -> SoundReader:
    path = write_video(tmp_path / "a.mp4", Clip(frames=10, sound="aac", sound_rate=16_000, sound_layout="mono"))
    with av.open(str(path)) as container:
        return SoundReader(container.streams.audio[0])


def encoded(track: SoundTrack, path: Path) -> np.ndarray:
    with av.open(str(path), "w", format="mp4") as container:
        track.begin(container)
        track.finish()
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def test_gaps_are_silent_and_overlaps_count_once(reader: SoundReader, tmp_path: Path) -> None:
    assert (reader.rate_hz, reader.layout) == (16_000, "mono")
    track = SoundTrack(reader, Fraction(10), Fraction(12))
    tone = (0.5 * np.sin(np.arange(8000) * 2 * np.pi * 440 / 16_000)).astype(np.float32)[:, None]
    track.add(Fraction(39, 4), tone)  # from 9.75 s on: half of it precedes the clip
    track.add(Fraction(10), tone)  # the first half is there already
    track.add(Fraction(23, 2), tone)  # a second later
    assert track.is_complete
    track.add(Fraction(12), tone)
    samples = encoded(track, tmp_path / "a.mp4")
    assert len(samples) == pytest.approx(32_000, abs=2048)
    loud = [float(np.abs(samples[at : at + 2000]).max()) > 0.2 for at in (1000, 6000, 12_000, 20_000, 26_000)]
    assert loud == [True, True, False, False, True]


def test_a_track_that_got_nothing_is_a_valid_stream(reader: SoundReader, tmp_path: Path) -> None:
    track = SoundTrack(reader, Fraction(0), Fraction(1))
    assert not track.is_complete
    with av.open(str(tmp_path / "a.mp4"), "w", format="mp4") as container:
        track.begin(container)
        track.finish()


def test_a_full_disk_is_no_damage_of_the_sound(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=50, sound="aac"))
    (tmp_path / "cut.mp4").symlink_to("/dev/full")
    with av.open(str(path)) as source, av.open(str(tmp_path / "cut.mp4"), "w", format="mp4") as container:
        stream = source.streams.audio[0]
        reader = SoundReader(stream)
        reader.tracks.append(SoundTrack(reader, Fraction(0), Fraction(2)))
        reader.tracks[0].begin(container)
        packets = list(source.demux(stream))
        with pytest.raises(VideoError, match="No space left on device") as caught:
            list(map(reader.feed, packets))
    assert caught.value.code is FailureCode.STORAGE


@pytest.mark.parametrize("second", [{"sound_layout": "stereo"}, {"sound_rate": 48_000}], ids=["layout", "rate"])
def test_sound_goes_on_where_its_format_changes(tmp_path: Path, second: dict[str, Any]) -> None:
    first = Clip(frames=25, sound="pcm_s16le", sound_rate=16_000, sound_layout="mono", sound_seconds=1.0)
    paths = [write_video(tmp_path / f"{at}.mkv", clip) for at, clip in enumerate((first, replace(first, **second)))]
    with av.open(str(paths[0])) as one, av.open(str(paths[1])) as other:
        reader = SoundReader(one.streams.audio[0])
        track = SoundTrack(reader, Fraction(0), Fraction(2))
        reader.tracks.append(track)
        for container, offset_seconds in ((one, 0), (other, 1)):
            for packet in container.demux(audio=0):
                if packet.pts is not None:
                    packet.pts += round(offset_seconds / packet.time_base)
                reader.feed(packet)
    samples = encoded(track, tmp_path / "cut.mp4")
    blocks = np.abs(samples[1000:31_000]).reshape(-1, 100).max(1)  # each longer than two periods of the tone
    assert blocks.min() > 0.1
