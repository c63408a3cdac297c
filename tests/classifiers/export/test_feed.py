from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classifiers.export.feed import feed_of, initial_state
from classifiers.export.form import described, form_of
from classifiers.inference.clip_classifier import clip_model_of
from schemas.exports import ExportedModel
from tests.support.exports import plain_stream


@pytest.fixture(scope="module")
def stream() -> ExportedModel:
    checkpoint = plain_stream()
    form = form_of(clip_model_of(checkpoint))
    return described(form, checkpoint.config, precision="fp32", quantization={}, versions={})


def frames(exported: ExportedModel, videos: int, number: int) -> np.ndarray:
    form = exported.clips.format
    return np.zeros((videos, number, form.height, form.width, 3), np.uint8)


def test_videos_at_their_start_have_a_state_of_zeros(stream: ExportedModel) -> None:
    feed = feed_of(stream, frames(stream, 2, 3))
    assert list(feed) == ["frames", *(one.input for one in stream.state)]
    for one in stream.state:
        assert (feed[one.input].shape, feed[one.input].dtype) == ((2, *one.shape), one.dtype)
        assert not feed[one.input].any()


def test_what_does_not_fit_is_refused(stream: ExportedModel) -> None:
    given = frames(stream, 1, 2)
    with pytest.raises(ValueError, match=r"takes frames of shape \(N, 2, 32, 40, 3\), uint8, got \(1, 2, 31, 40, 3\)"):
        feed_of(stream, given[:, :, 1:])
    with pytest.raises(ValueError, match="float32"):
        feed_of(stream, given.astype(np.float32))
    state = initial_state(stream, 1)
    with pytest.raises(ValueError, match="a state belongs to a network"):
        feed_of(stream, given, initial_state(stream, 2))
    state.pop("state.frames")
    with pytest.raises(ValueError, match=r"state\.frames is missing"):
        feed_of(stream, given, state)
    clips = replace(stream, kind="clip", state=())
    with pytest.raises(ValueError, match=r"takes clips of shape \(N, 12, "):
        feed_of(clips, given)
