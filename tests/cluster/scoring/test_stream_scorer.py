"""Timelines of real videos by stream networks: exact steps, whatever the segments, the chunks and the damage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from classifiers.clip_models.streaming import StreamModel
from classifiers.inference.clip_classifier import TrainedClipClassifier, clip_model_of
from classifiers.inference.timelines import TimelineForm
from cluster.scoring import stream_scorer
from cluster.scoring.stream_network import StreamNetwork
from cluster.scoring.stream_scorer import StreamScorer
from cluster.scoring.timeline_assembler import TimelineScores
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from extractors.segments import Segment
from extractors.video.media import MAX_PIXELS
from schemas.outcomes import FailureCode, VideoError
from schemas.timelines import Timeline, joined_timeline
from schemas.videos import Video
from tests.support.clips import trained_stream
from tests.support.videos import Clip, write_video

FPS = 5  # of the network
CLASSES = 4
SECONDS = 9
CLIP = Clip(frames=25 * SECONDS, width=96, height=72, gop=20)


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    """A network takes one core for itself; what comes after gets back its own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.mp4", CLIP)
    write_video(folder / "b.mp4", replace(CLIP, frames=60, width=160))
    write_video(folder / "a.ts", CLIP)
    return folder


@pytest.fixture(scope="module")
def scorer() -> StreamScorer:
    """Of a step a second, with all classes of each; in segments of so many seconds that videos are in one piece."""
    trained = TrainedClipClassifier({"c": trained_stream()})
    made = StreamScorer(
        network=StreamNetwork(trained, "fp32"),
        clip_format=trained.clips.format,
        form=TimelineForm(step_seconds=1.0, top_k=CLASSES, strong_score=0.2, is_single_label=True),
        step_frames=FPS,
        max_pixels=MAX_PIXELS,
    )
    made.setup()
    return made


def scored(scorer: StreamScorer, path: Path, **part: Any) -> list[TimelineScores]:
    """The segments of a video, one after the other."""
    found: list[TimelineScores] = []
    segment: Segment | None = None
    while segment is not None or not found:
        scores, others = scorer(str(path), Video("v", str(path), **part), segment)
        found.append(scores)
        segment = others[0] if others else None
    return found


def timeline(scorer: StreamScorer, path: Path, **part: Any) -> Timeline:
    return joined_timeline([scores.timeline for scores in scored(scorer, path, **part)])


def probabilities(timeline: Timeline) -> NDArray[np.float32]:
    """(n, K), in the order of the classes."""
    ordered = np.zeros((len(timeline.numbers), CLASSES), np.float32)
    np.put_along_axis(ordered, timeline.places, timeline.scores, axis=1)
    return ordered


def watched(scorer: StreamScorer, path: Path, frames: int, start_seconds: int = 0) -> NDArray[np.float32]:
    """The probabilities (T, K) after each frame, one at a time, of the clip that `decode_clips` takes."""
    model = clip_model_of(trained_stream()).eval()
    assert isinstance(model, StreamModel)
    sampling = ClipSampling(placement="start", start_seconds=float(start_seconds))
    (clip,) = decode_clips(str(path), replace(scorer.clip_format, frames=frames), sampling)
    state, logits = model.initial_state(1), []
    with torch.inference_mode():
        for frame in torch.from_numpy(clip).split(1):
            found, state = model.stream(frame[None], state)
            logits.append(found[0])
    shares: NDArray[np.float32] = torch.cat(logits).softmax(dim=1).numpy()
    return shares


def assert_same(found: Timeline, expected: Timeline) -> None:
    assert found.numbers.tolist() == expected.numbers.tolist()
    np.testing.assert_allclose(probabilities(found), probabilities(expected), rtol=0, atol=1e-5)
    assert found.strong_steps.tolist() == expected.strong_steps.tolist()
    assert found.strong_places.tolist() == expected.strong_places.tolist()
    np.testing.assert_allclose(found.probability_sum, expected.probability_sum, atol=1e-4)


def test_a_step_has_the_scores_after_the_frame_at_its_beginning(scorer: StreamScorer, folder: Path) -> None:
    (scores,) = scored(scorer, folder / "a.mp4")
    assert (scores.segment, scores.num_frames) == (Segment(0, 1, 0, None), SECONDS * FPS)
    assert scores.timeline.numbers.tolist() == list(range(SECONDS))
    expected = watched(scorer, folder / "a.mp4", SECONDS * FPS)
    assert expected[::FPS].std(axis=0).max() > 0.005  # what is seen makes a difference, 500 times the tolerance
    np.testing.assert_allclose(probabilities(scores.timeline), expected[::FPS], rtol=0, atol=1e-5)
    assert scores.seconds_by_stage.keys() == {"open", "decode", "network"}
    faster = replace(scorer, step_frames=1, form=replace(scorer.form, step_seconds=0.2))
    found = timeline(faster, folder / "a.mp4")
    assert found.numbers.tolist() == list(range(SECONDS * FPS))
    np.testing.assert_allclose(probabilities(found), expected, rtol=0, atol=1e-5)


@given(segment_seconds=st.integers(1, SECONDS + 1), chunk_frames=st.integers(1, 30), block_steps=st.integers(1, 4))
@settings(max_examples=12, deadline=None)
def test_however_a_video_is_cut_its_timeline_is_that_of_the_whole(
    scorer: StreamScorer, folder: Path, segment_seconds: int, chunk_frames: int, block_steps: int
) -> None:
    whole = timeline(scorer, folder / "a.mp4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_scorer, "CHUNK_FRAMES", chunk_frames)
        patch.setattr(stream_scorer, "BLOCK_STEPS", block_steps)
        patch.setattr(stream_scorer, "PARTS", 2)
        parts = scored(replace(scorer, segment_seconds=segment_seconds), folder / "a.mp4")
    assert len(parts) == -(-SECONDS // segment_seconds)
    assert all(part.segment.state is None for part in parts)
    assert [len(part.timeline.numbers) for part in parts[:-1]] == [segment_seconds] * (len(parts) - 1)
    assert_same(joined_timeline([part.timeline for part in parts]), whole)


def test_a_segment_goes_on_from_the_state_alone(scorer: StreamScorer, folder: Path) -> None:
    """In a worker that has seen other videos in between, to the bit."""
    cut = replace(scorer, segment_seconds=3)
    path = str(folder / "a.mp4")
    expected = scored(cut, folder / "a.mp4")
    _, (second,) = cut(path, Video("a", path))
    timeline(scorer, folder / "b.mp4")
    scores, (third,) = cut(path, Video("a", path), second)
    np.testing.assert_array_equal(scores.timeline.scores, expected[1].timeline.scores)
    assert [second.state is not None, third.index, third.end_seconds] == [True, 2, None]
    assert third.state is not None
    assert int(third.state["0.frames"][0]) == 6 * FPS


def test_two_videos_have_the_timelines_that_each_has_alone(scorer: StreamScorer, folder: Path) -> None:
    alone = [timeline(scorer, folder / name) for name in ("a.mp4", "b.mp4")]
    again = [timeline(scorer, folder / name) for name in ("b.mp4", "a.mp4")]
    for found, expected in zip(reversed(again), alone, strict=True):
        np.testing.assert_array_equal(found.scores, expected.scores)
    assert alone[0].scores[:2].tolist() != alone[1].scores[:2].tolist()


def test_a_part_of_a_video_has_the_steps_that_begin_in_it(scorer: StreamScorer, folder: Path) -> None:
    expected = watched(scorer, folder / "a.mp4", 5 * FPS, start_seconds=2)
    for segment_seconds in (300, 2):
        cut = replace(scorer, segment_seconds=segment_seconds)
        found = timeline(cut, folder / "a.mp4", start_seconds=2, end_seconds=7)
        assert found.numbers.tolist() == [2, 3, 4, 5, 6]
        np.testing.assert_allclose(probabilities(found), expected[::FPS], rtol=0, atol=1e-5)


def test_a_container_without_an_index_is_one_segment(scorer: StreamScorer, folder: Path) -> None:
    (scores,) = scored(replace(scorer, segment_seconds=2), folder / "a.ts")
    assert scores.segment == Segment(0, 1, 0, None)
    expected = watched(scorer, folder / "a.ts", SECONDS * FPS)
    np.testing.assert_allclose(probabilities(scores.timeline), expected[::FPS], rtol=0, atol=1e-5)


def test_a_frame_that_stays_on_screen_is_seen_at_each_point(scorer: StreamScorer, tmp_path: Path) -> None:
    pts = [90_000 * second for second in (0, 1, 4, 5)]
    path = write_video(tmp_path / "still.mp4", Clip(frames=4, width=96, height=72, pts=pts))
    (scores,) = scored(scorer, path)
    assert scores.num_frames == 5 * FPS + 1
    np.testing.assert_allclose(
        probabilities(scores.timeline), watched(scorer, path, 5 * FPS + 1)[::FPS], rtol=0, atol=1e-5
    )


def test_steps_whose_frame_is_lost_are_missing(scorer: StreamScorer, tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", replace(CLIP, gop=10, options={"bf": "0"}))
    whole = timeline(scorer, path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle - 1500 : middle + 1500] = bytes(3000)
    path.write_bytes(content)
    damaged = timeline(scorer, path)
    assert 3 < len(damaged.numbers) < SECONDS
    assert set(damaged.numbers.tolist()) < set(whole.numbers.tolist())
    intact = int(np.flatnonzero(np.diff(damaged.numbers) > 1)[0])  # up to there nothing is lost
    np.testing.assert_allclose(probabilities(damaged)[:intact], probabilities(whole)[:intact], rtol=0, atol=1e-5)
    assert_same(timeline(replace(scorer, segment_seconds=2), path), damaged)


def test_videos_without_an_end_are_refused(scorer: StreamScorer, folder: Path) -> None:
    limited = replace(scorer, max_grid_points=4 * FPS)
    for name in ("a.mp4", "a.ts"):  # by the header, and by what comes out of the file
        with pytest.raises(VideoError, match=r"the limit is 20 frames.*start_seconds and end_seconds") as caught:
            scored(limited, folder / name)
        assert caught.value.code is FailureCode.TOO_LONG
    assert len(timeline(limited, folder / "a.mp4", start_seconds=5).numbers) == 4


def test_what_is_no_video_and_what_lies_behind_its_end(scorer: StreamScorer, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError):
        scored(scorer, tmp_path / "text.mp4")
    with pytest.raises(VideoError, match="it has no frame from second 60 on"):
        scored(scorer, folder / "a.mp4", start_seconds=60)


def test_the_grid_is_that_of_the_rate(scorer: StreamScorer, folder: Path) -> None:
    """Rates that are no whole number have steps at whole seconds where there are whole frames in them."""
    odd = replace(
        scorer,
        clip_format=replace(scorer.clip_format, fps="15/2"),
        step_frames=int(Fraction(15, 2) * 2),
        form=replace(scorer.form, step_seconds=2.0),
    )
    found = timeline(odd, folder / "a.mp4")
    assert found.numbers.tolist() == [0, 1, 2, 3, 4]
    expected = watched(odd, folder / "a.mp4", 61)
    np.testing.assert_allclose(probabilities(found), expected[::15], rtol=0, atol=1e-5)
