"""Copies hold their span unchanged, and say what they show around it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from extractors.cutting.frame_list import list_frames
from extractors.cutting.keyframes import cut_at_keyframes
from extractors.cutting.span import CutError, CutFile
from schemas.outcomes import FailureCode, Stage, VideoError
from tests.support.cutting import CLIPS, shown, span_of
from tests.support.videos import Clip, join_ts, write_video

RANGES = ((0, 3), (10, 40), (17, 17), (30, 30), (26, 31), (35, -1))
ROUNDING = Fraction(1, 1000)  # of Matroska


@pytest.mark.parametrize("name", CLIPS)
def test_frames_are_copied_to_the_bit(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, CLIPS[name])
    frames, source = list_frames(str(path)), shown(path)
    ranges = [(first, last % len(frames)) for first, last in RANGES]
    spans = [span_of(frames, *both, tmp_path / f"{place}") for place, both in enumerate(ranges)]
    for (first, last), span, made in zip(ranges, spans, cut_at_keyframes(path, frames, spans), strict=True):
        assert isinstance(made, CutFile), made
        lasted = (span.end_pts - span.start_pts) * frames.tick
        start, end = made.before_seconds - ROUNDING, made.before_seconds + lasted - ROUNDING
        copied = shown(made.path)
        clip = [image for seconds, image in copied if start <= seconds < end]
        assert len(clip) == last - first + 1
        assert all((image == source[first + place][1]).all() for place, image in enumerate(clip))
        before, after = (sum(seconds < start for seconds, _ in copied), sum(seconds >= end for seconds, _ in copied))
        assert (before > 0) == (made.before_seconds > 0)
        assert (after > 0) == (made.after_seconds > 0)
        assert before == first - max(number for number in _key_frames(path) if number <= first)


def _key_frames(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [number for number, frame in enumerate(container.decode(video=0)) if frame.key_frame]


def test_sound_goes_along_unless_it_is_left_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", CLIPS["b_frames.mp4"])
    frames = list_frames(str(path))
    span = span_of(frames, 30, 54, tmp_path / "cut")
    (made,) = cut_at_keyframes(path, frames, [span])
    assert isinstance(made, CutFile)
    with av.open(str(made.path)) as container:
        sound = sum(frame.samples for frame in container.decode(audio=0)) / 44_100
    assert sound == pytest.approx(1, abs=0.15)
    (mute,) = cut_at_keyframes(path, frames, [span], with_sound=False)
    assert isinstance(mute, CutFile)
    with av.open(str(mute.path)) as container:
        assert not container.streams.audio


def test_codecs_that_mp4_lacks_go_into_matroska(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.webm", Clip(codec="libvpx", frames=20, options={"cpu-used": "8"}))
    frames = list_frames(str(path))
    (made,) = cut_at_keyframes(path, frames, [span_of(frames, 5, 9, tmp_path / "cut")])
    assert isinstance(made, CutFile)
    assert made.path.suffix == ".mkv"


def test_a_spliced_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    part = write_video(tmp_path / "a.ts", Clip(frames=25, format="mpegts")).read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(join_ts(part, part))
    frames = list_frames(str(path))
    (refused,) = cut_at_keyframes(path, frames, [span_of(frames, 5, 9, tmp_path / "cut")])
    assert isinstance(refused, CutError)
    assert "--cut exact" in str(refused)


@pytest.mark.parametrize("name", ["b_frames.mp4", "variable.mkv"])
def test_a_full_disk_is_no_fault_of_the_clip(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, CLIPS[name])
    frames = list_frames(str(path))
    span = span_of(frames, 10, 40, tmp_path / "cut")
    full = tmp_path / "cut.mp4"
    full.symlink_to("/dev/full")
    with pytest.raises(VideoError, match="No space left on device: free space in the temporary folder") as caught:
        cut_at_keyframes(path, frames, [span])
    assert (caught.value.code, caught.value.stage) == (FailureCode.STORAGE, Stage.WRITE)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    (made,) = cut_at_keyframes(path, frames, [span])
    assert isinstance(made, CutFile)
