"""The scores of each step are those of its frames alone, computed here with NumPy and one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from classifiers.data.batches import FeatureBatch
from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.inference.timelines import TimelineForm
from cluster.features import steps
from cluster.features.blocks import FeatureBlock
from cluster.features.steps import StepGrid
from cluster.scoring.feature_timelines import FeatureTimelines
from schemas.features import AUDIO_DIM
from schemas.quantization import dequantize
from schemas.timelines import Timeline
from tests.support.checkpoints import trained
from tests.support.features import DIM

FRAMES = (9, 1, 30, 6)
GAPS: list[list[tuple[float, float]]] = [[], [], [(10.0, 14.0)], [(2.0, 3.0)]]
TIMELINES = FeatureTimelines(
    grid=StepGrid(fps=Fraction(1), hz=Fraction(1), window_seconds=Fraction(5)),
    form=TimelineForm(step_seconds=1.0, top_k=2, strong_score=0.3, is_single_label=True),
)


def block() -> FeatureBlock:
    rng = np.random.default_rng(0)
    total = sum(FRAMES)
    rgb, audio = (rng.integers(0, 256, (total, dim), np.uint8) for dim in (DIM, AUDIO_DIM))
    offsets = np.concatenate([[0], np.cumsum(FRAMES)])
    return FeatureBlock(0, rgb, audio, np.array(FRAMES), offsets, gaps=GAPS)


def alone(classifier: TrainedClassifier, made: FeatureBlock, video: int, frames: Sequence[int]) -> NDArray[np.float64]:
    """The probabilities for some frames of a video."""
    assert made.frame_offsets is not None
    rows = made.frame_offsets[video] + np.array(frames)
    rgb, audio = dequantize(made.rgb)[rows], dequantize(made.audio)[rows]
    if classifier.level == "video":
        rgb, audio = rgb.mean(axis=0), audio.mean(axis=0)
    tensors = (torch.from_numpy(rgb)[None], torch.from_numpy(audio)[None], torch.tensor([len(frames)]))
    with torch.inference_mode():
        logits = classifier.model(*tensors)
    probabilities: NDArray[np.float64] = (logits.double()[0] / 2.0).softmax(dim=0).numpy()
    return probabilities


@pytest.mark.parametrize("model", ["dense-5", "netvlad"])
@pytest.mark.parametrize("most", [3, 20, 4096])
def test_each_step_has_the_scores_of_its_frames(model: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "BATCH_FRAMES", most)
    classifier = TrainedClassifier({"c": trained(model, temperature=2.0)})
    made, rows = block(), np.array([0, 2, 3])
    timelines = TIMELINES.of_block(classifier, made, rows, [0, 0, 10])
    expected: list[dict[int, list[int]]] = [
        {k: [f for f in range(k - 2, k + 3) if 0 <= f < 9] for k in range(9)},
        # Ten frames, a gap of four seconds, and twenty frames.
        {
            k: [f if f < 10 else f - 4 for f in range(k - 2, k + 3) if 0 <= f < 34 and not 10 <= f < 14]
            for k in range(34)
        },
        # From second 10 on: the gap is not in this part.
        {k: [f - 10 for f in range(k - 2, k + 3) if 10 <= f < 16] for k in range(10, 16)},
    ]
    for gap in range(10, 14):
        del expected[1][gap]
    for video, timeline, seen in zip(rows.tolist(), timelines, expected, strict=True):
        assert timeline.numbers.tolist() == list(seen)
        scores = np.stack([alone(classifier, made, video, frames) for frames in seen.values()])
        assert timeline.places.tolist() == np.argsort(-scores, axis=1, kind="stable")[:, :2].tolist()
        np.testing.assert_allclose(timeline.scores, np.take_along_axis(scores, timeline.places, 1), rtol=1e-4)
        np.testing.assert_allclose(timeline.probability_sum, scores.sum(axis=0), rtol=1e-4)
        strong = [(k, place) for k, row in zip(seen, scores, strict=True) for place in np.flatnonzero(row >= 0.3)]
        assert list(zip(timeline.strong_steps, timeline.strong_places, strict=True)) == strong


def test_a_video_is_scored_alike_whatever_is_beside_it() -> None:
    classifier = TrainedClassifier({"c": trained()})
    together = TIMELINES.of_block(classifier, block(), np.arange(4), [0] * 4)
    for row, timeline in enumerate(together):
        (single,) = TIMELINES.of_block(classifier, block(), np.array([row]), [0])
        assert_same(single, timeline)


def assert_same(one: Timeline, other: Timeline) -> None:
    assert one.numbers.tolist() == other.numbers.tolist()
    np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5)
    np.testing.assert_allclose(one.probability_sum, other.probability_sum, rtol=1e-5)


def test_an_ensemble_of_means_and_frames() -> None:
    checkpoints = {"a": trained(seed=1, temperature=2.0), "b": trained("netvlad", seed=2, temperature=2.0)}
    made = block()
    (timeline,) = TIMELINES.of_block(TrainedClassifier(checkpoints), made, np.array([0]), [0])
    members = [TrainedClassifier({name: checkpoint}) for name, checkpoint in checkpoints.items()]
    for step, place, score in zip(timeline.numbers, timeline.places[:, 0], timeline.scores[:, 0], strict=True):
        frames = range(max(step - 2, 0), min(step + 3, 9))
        mean = np.mean([alone(member, made, 0, frames) for member in members], axis=0)
        assert place == mean.argmax()
        np.testing.assert_allclose(score, mean.max(), rtol=1e-4)


def test_logits_are_at_the_temperature_of_the_checkpoint() -> None:
    batch = FeatureBatch(torch.randn(3, DIM), torch.randn(3, AUDIO_DIM), torch.ones(3, dtype=torch.int64))
    cold, warm = (TrainedClassifier({"c": trained(temperature=one)}).logits(batch) for one in (1.0, 4.0))
    torch.testing.assert_close(cold / 4, warm)
