"""Each step has the scores of the single clip at its middle, whatever the segments; damage leaves steps out."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier, clip_model_of
from classifiers.inference.timelines import TimelineForm
from cluster.scoring import window_scorer
from cluster.scoring.clip_network import ClipNetwork
from cluster.scoring.window_scorer import WindowScorer
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from extractors.segments import Segment
from schemas.outcomes import VideoError
from schemas.timelines import Timeline, joined_timeline
from schemas.videos import Video
from tests.extractors.clips.test_windows import damaged
from tests.support.clips import trained_clips
from tests.support.videos import Clip, write_video

RATE = 25


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "clip.mp4", Clip(frames=160, width=96, height=48, gop=25))


def scorer(checkpoint: Any = None, **changes: Any) -> WindowScorer:
    trained = TrainedClipClassifier({"c": checkpoint or trained_clips()})
    values: dict[str, Any] = {
        "network": ClipNetwork(trained, "fp32"),
        "num_classes": trained.config.num_classes,
        "clip_format": trained.clips.format,
        "short": "loop",
        "form": TimelineForm(step_seconds=0.5, top_k=2, strong_score=0.3, is_single_label=trained.is_single_label),
        "step_seconds": Fraction(1, 2),
        "max_pixels": 1 << 20,
    }
    return WindowScorer(**{**values, **changes})


def whole(stage: WindowScorer, path: Path, **part: Any) -> tuple[Timeline, list[Segment]]:
    """The timeline of all segments, each scored by itself."""
    video = Video("v", str(path), **part)
    scores, others = stage(str(path), video)
    segments = [scores.segment, *others]
    later = [stage(str(path), video, segment) for segment in others]
    assert all(not rest for _, rest in later)
    return joined_timeline([scores.timeline, *(found.timeline for found, _ in later)]), segments


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_a_step_has_the_scores_of_the_clip_at_its_middle(task: str, path: Path) -> None:
    checkpoint = trained_clips(temperature=1.5, task=task)
    stage = pickle.loads(pickle.dumps(scorer(checkpoint)))
    stage.setup()
    timeline, segments = whole(stage, path)
    assert segments == [Segment(0, 1, 0, None)]
    assert timeline.step_seconds == 0.5
    assert timeline.numbers.tolist() == list(range(13))  # of 6.4 seconds
    model = clip_model_of(checkpoint).eval()
    expected = []
    for step in range(13):
        length = 4 / Fraction(stage.clip_format.fps or RATE)
        start = min(max(Fraction(2 * step + 1, 4) - length / 2, Fraction(0)), Fraction(160, RATE) - length)
        clips = decode_clips(path, stage.clip_format, ClipSampling(placement="start"), start_seconds=start)
        with torch.inference_mode():
            logits = model(torch.from_numpy(clips)).double()[0] / 1.5
        expected.append((logits.softmax(dim=0) if task == "single-label" else logits.sigmoid()).numpy())
    scores = np.stack(expected)
    assert timeline.places.tolist() == np.argsort(-scores, axis=1)[:, :2].tolist()
    np.testing.assert_allclose(timeline.scores, np.take_along_axis(scores, timeline.places, 1), rtol=1e-4)
    np.testing.assert_allclose(timeline.probability_sum, scores.sum(axis=0), rtol=1e-4)
    strong = [(step, place) for step in range(13) for place in np.flatnonzero(scores[step] >= 0.3)]
    assert list(zip(timeline.strong_steps, timeline.strong_places, strict=True)) == strong


def assert_equal(one: Timeline, other: Timeline) -> None:
    for name in ("numbers", "places", "scores", "strong_steps", "strong_places", "strong_scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_allclose(one.probability_sum, other.probability_sum, rtol=1e-12)


@pytest.mark.parametrize("part", [{}, {"start_seconds": 1, "end_seconds": 5}])
@pytest.mark.parametrize("step", ["1/2", "3/4", "2"])
def test_segments_give_the_timeline_of_the_whole(
    part: dict[str, int], step: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_scorer, "BLOCK_STEPS", 3)
    together, one = whole(scorer(step_seconds=Fraction(step)), path, **part)
    cut, segments = whole(scorer(step_seconds=Fraction(step), segment_seconds=1), path, **part)
    assert len(one) == 1
    assert len(segments) == (4 if part else 7)
    first = -(-part.get("start_seconds", 0) // Fraction(step))
    end = -(-Fraction(part.get("end_seconds", Fraction(160, RATE))) // Fraction(step))
    assert together.numbers.tolist() == list(range(first, end))
    assert_equal(cut, together)


def test_work_is_counted(path: Path) -> None:
    scores, _ = scorer()(str(path), Video("v", str(path)))
    assert scores.num_frames == 13 * 4
    assert set(scores.seconds_by_stage) == {"open", "decode", "network"}
    assert min(scores.seconds_by_stage.values()) > 0


def test_a_file_object_is_scored_from_its_start(path: Path) -> None:
    expected, _ = whole(scorer(), path)
    with path.open("rb") as file:
        scores, _ = scorer()(file, Video("v", "v"))
    assert_equal(scores.timeline, expected)


def test_a_container_without_an_index_is_one_segment(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.ts", Clip(frames=80, width=96, height=48))
    timeline, segments = whole(scorer(segment_seconds=1), path)
    assert segments == [Segment(0, 1, 0, None)]
    assert timeline.numbers.tolist() == list(range(7))


def test_steps_without_an_intact_frame_are_missing(tmp_path: Path) -> None:
    path = damaged(tmp_path / "clip.mp4", range(40, 60))
    timeline, _ = whole(scorer(step_seconds=Fraction(2, 5)), path)
    assert timeline.numbers.tolist() == [0, 1, 2, 3, 6, 7, 8, 9]


def test_a_part_after_the_end_has_no_steps(path: Path) -> None:
    timeline, _ = whole(scorer(), path, start_seconds=60)
    assert timeline.numbers.tolist() == []
    assert timeline.probability_sum.tolist() == [0.0] * 4


def test_a_file_that_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(VideoError):
        whole(scorer(), tmp_path / "a.mp4")


def test_numbers_that_are_not_finite_end_the_run(path: Path) -> None:
    checkpoint = trained_clips()
    checkpoint.state["head.weight"][0, 0] = torch.nan
    with pytest.raises(FloatingPointError, match="--precision"):
        whole(scorer(checkpoint), path)
