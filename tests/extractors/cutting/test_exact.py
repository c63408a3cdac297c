"""Exact cuts have the frames of their span and no others, at the source's distances, with the sound of that time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from extractors.cutting.exact import cut_exact
from extractors.cutting.frame_list import list_frames
from extractors.cutting.span import CutError, CutFile
from schemas.outcomes import FailureCode, Stage, VideoError
from tests.support.cutting import CLIPS, difference, shown, span_of
from tests.support.full_disk import limited_files
from tests.support.orientation import with_matrix
from tests.support.videos import Clip, read_number, write_video

RANGES = ((0, 3), (10, 40), (17, 17), (20, 30), (21, 31), (22, 32), (35, -1))  # more than are cut in one pass


@pytest.mark.parametrize("name", CLIPS)
def test_frames_and_times_are_those_of_the_source(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, CLIPS[name])
    frames, source = list_frames(str(path)), shown(path)
    ranges = [(first, last % len(frames)) for first, last in RANGES]
    spans = [span_of(frames, *both, tmp_path / f"{place}") for place, both in enumerate(ranges)]
    for (first, last), span, made in zip(ranges, spans, cut_exact(path, frames, spans), strict=True):
        assert isinstance(made, CutFile), made
        assert not made.before_seconds
        clip = shown(made.path)
        assert [read_number(image) for _, image in clip] == list(range(first, last + 1))
        assert [seconds for seconds, _ in clip] == [(pts - span.start_pts) * frames.tick for pts in span.timestamps]
        assert list_frames(str(made.path)).duration_seconds == (span.end_pts - span.start_pts) * frames.tick
        assert max(difference(image, source[first + place][1]) for place, (_, image) in enumerate(clip)) < 4


def test_a_factor_of_0_loses_nothing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=20))
    frames = list_frames(str(path))
    (made,) = cut_exact(path, frames, [span_of(frames, 5, 9, tmp_path / "cut")], crf=0)
    assert isinstance(made, CutFile)
    source = [image for _, image in shown(path)[5:10]]
    assert all((one == other).all() for one, (_, other) in zip(source, shown(made.path), strict=True))


def test_a_cut_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=40, gop=12, b_frames=2))
    frames = list_frames(str(path))
    contents = set()
    for _ in range(40):
        (made,) = cut_exact(path, frames, [span_of(frames, 0, 38, tmp_path / "cut")])
        assert isinstance(made, CutFile)
        contents.add(made.path.read_bytes())
    assert len(contents) == 1


def test_sound_is_cut_to_the_same_time(tmp_path: Path) -> None:
    """The tone starts after a second: in a clip from 0.4 s on, after 0.6 s."""
    path = write_video(tmp_path / "a.mp4", Clip(frames=60, sound="aac", sound_start=1.0, sound_seconds=1.2))
    frames = list_frames(str(path))
    spans = [span_of(frames, 10, 39, tmp_path / "with"), span_of(frames, 0, 9, tmp_path / "before")]
    loud, silent = cut_exact(path, frames, spans)
    assert isinstance(loud, CutFile)
    assert isinstance(silent, CutFile)
    with av.open(str(loud.path)) as container:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(samples) == pytest.approx(1.2 * 44_100, abs=2048)
    starts = int(np.argmax(np.abs(samples) > 0.1)) / 44_100
    assert starts == pytest.approx(0.6, abs=0.05)
    (mute,) = cut_exact(path, frames, spans[:1], with_sound=False)
    assert isinstance(mute, CutFile)
    with av.open(str(mute.path)) as container:
        assert not container.streams.audio


def test_orientation_colours_and_pixels_are_kept(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mp4", Clip(frames=10, options={"colorprim": "bt709"}))
    mirrored = (0, -1, -1, 0)
    path = with_matrix(plain, tmp_path / "mirrored.mp4", mirrored)
    frames = list_frames(str(path))
    (made,) = cut_exact(path, frames, [span_of(frames, 2, 5, tmp_path / "cut")])
    assert isinstance(made, CutFile)
    with av.open(str(path)) as source, av.open(str(made.path)) as cut:
        one, other = (next(container.decode(video=0)) for container in (source, cut))
        matrices = [
            np.frombuffer(frame.side_data.get("DISPLAYMATRIX"), np.int32)[:5].tolist() for frame in (one, other)
        ]
        assert matrices[0] == matrices[1]
        assert (one.format.name, one.color_range, one.colorspace) == (
            other.format.name,
            other.color_range,
            other.colorspace,
        )


def test_odd_sizes_keep_theirs(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", Clip(codec="ffv1", frames=5, width=193, height=97, pix_fmt="yuv444p"))
    frames = list_frames(str(path))
    (made,) = cut_exact(path, frames, [span_of(frames, 1, 3, tmp_path / "cut")])
    assert isinstance(made, CutFile)
    assert shown(made.path)[0][1].shape == (97, 193, 3)


def test_damage_costs_the_clips_that_it_hits(tmp_path: Path) -> None:
    """The container is intact, so that all frames are listed; one group of pictures is garbage."""
    path = write_video(tmp_path / "a.mp4", Clip(frames=90, gop=30, b_frames=0))
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        damaged = packets[30]
        assert damaged.pos is not None
        place, size = damaged.pos, damaged.size
    data = bytearray(path.read_bytes())
    data[place + 8 : place + size] = bytes(size - 8)
    path.write_bytes(data)
    frames = list_frames(str(path))
    assert len(frames) == 90
    spans = [span_of(frames, first, first + 5, tmp_path / f"{first}") for first in (5, 40, 70)]
    outcomes = cut_exact(path, frames, spans)
    assert [isinstance(one, CutFile) for one in outcomes] == [True, False, True]
    assert "damaged" in str(outcomes[1])
    assert isinstance(outcomes[1], CutError)
    assert not list(tmp_path.glob("40*"))


def test_the_same_cut_has_the_same_bytes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", CLIPS["b_frames.mp4"])
    frames = list_frames(str(path))
    made = [cut_exact(path, frames, [span_of(frames, 3, 12, tmp_path / name)])[0] for name in ("one", "other")]
    contents = [one.path.read_bytes() for one in made if isinstance(one, CutFile)]
    assert len(contents) == 2
    assert contents[0] == contents[1]
    assert frames.rate == Fraction(25)


def test_a_full_disk_is_no_fault_of_the_clip(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=60, sound="aac"))
    frames = list_frames(str(path))
    spans = [span_of(frames, first, first + 20, tmp_path / f"cut{first}") for first in (5, 10, 15)]
    (tmp_path / "cut10.mp4").symlink_to("/dev/full")
    with pytest.raises(VideoError, match="No space left on device: free space in the temporary folder") as caught:
        cut_exact(path, frames, spans)
    assert (caught.value.code, caught.value.stage) == (FailureCode.STORAGE, Stage.WRITE)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    for size_bytes in (3000, 12_000, 24_000):  # in the middle, and in the trailer
        with limited_files(size_bytes), pytest.raises(VideoError, match="File too large"):
            cut_exact(path, frames, spans[:1], crf=30)
        assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    assert all(isinstance(made, CutFile) for made in cut_exact(path, frames, spans))
