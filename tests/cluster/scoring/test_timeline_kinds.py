"""Which steps a classifier can give, and what is said where the options do not fit it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from classifiers.inference.clip_classifier import TrainedClipClassifier
from cluster.scoring.config import ScoringOptions
from cluster.scoring.stream_scorer import StreamScorer
from cluster.scoring.timeline_kinds import TIMELINE_KINDS, timeline_form, timeline_kind
from cluster.timelines.config import TimelineOptions
from tests.support.clips import STREAM, STREAM_OPTIONS, trained_clips

STREAMED = trained_clips(STREAM, options=STREAM_OPTIONS)


def stream(fps: str | None = "5") -> TrainedClipClassifier:
    return TrainedClipClassifier({"c": trained_clips(STREAM, options=STREAM_OPTIONS, fps=fps)})


def step(trained: TrainedClipClassifier, **options: Any) -> Fraction:
    return timeline_kind(trained).step_seconds(trained, TimelineOptions(timeline=True, **options))


@pytest.mark.parametrize(
    ("fps", "hz", "seconds"),
    [("5", 1.0, 1), ("5", 2.5, Fraction(2, 5)), ("5", 0.1, 10), ("30000/1001", 29.97002997, Fraction(1001, 30000))],
)
def test_stream_networks_have_a_whole_number_of_frames_in_a_step(fps: str, hz: float, seconds: Fraction) -> None:
    trained = stream(fps)
    assert timeline_kind(trained) is TIMELINE_KINDS["stream"]
    found = step(trained, timeline_hz=hz)
    assert found == seconds
    options = ScoringOptions.of(
        videos="v", checkpoint=("c",), labels="l", timeline=True, timeline_hz=hz, event_threshold=0.5, timeline_top_k=3
    )
    stage = timeline_kind(trained).stage(trained, options.timelines, found, "fp32", options.clips.max_pixels)
    assert isinstance(stage, StreamScorer)
    assert stage.step_frames == Fraction(fps) * seconds
    assert (stage.form.top_k, stage.form.strong_score) == (3, pytest.approx(0.4))
    assert stage.form == timeline_form(trained, options.timelines, found)


def test_steps_between_frames_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"timeline-hz is 2, but .* watches 5 frames a second: .* as with 5, 2.5, 1.667"
    ):
        step(stream(), timeline_hz=2.0)
    with pytest.raises(ValueError, match=r"timeline-hz is 10, but"):
        step(stream(), timeline_hz=10.0)


def test_a_network_without_a_rate_says_how_it_gets_one() -> None:
    with pytest.raises(ValueError, match=r"knows no rate .* Train with --fps"):
        step(stream(None))


def test_a_stride_goes_with_clips() -> None:
    with pytest.raises(ValueError, match=r"is a stream network.*give --timeline-hz in place of it"):
        step(stream(), stride=1.0)


def test_clip_models_need_a_stride_and_know_no_rate() -> None:
    trained = TrainedClipClassifier({"c": trained_clips()})
    assert timeline_kind(trained) is TIMELINE_KINDS["windows"]
    assert step(trained, stride=0.5) == Fraction(1, 2)
    with pytest.raises(ValueError, match=r"r3d-18@\w+ is no stream network.*give --stride, .*\(--stride 1\), or the"):
        step(trained)
    with pytest.raises(ValueError, match="--timeline-hz goes with stream networks and features"):
        step(trained, stride=1.0, timeline_hz=2.0)


def test_stream_networks_and_others_have_no_common_timeline() -> None:
    base = trained_clips("movinet-a0", options=STREAM_OPTIONS)
    trained = TrainedClipClassifier({"a": STREAMED, "b": base})
    with pytest.raises(ValueError, match="give those of one kind"):
        timeline_kind(trained)
