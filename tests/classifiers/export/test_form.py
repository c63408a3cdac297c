from __future__ import annotations

import torch

from classifiers.export.form import StreamForm, form_of
from classifiers.inference.clip_classifier import clip_model_of
from tests.support.clips import trained_clips
from tests.support.exports import plain_stream


def test_a_network_over_clips_is_a_function_of_them() -> None:
    model = clip_model_of(trained_clips()).eval()
    form = form_of(model)
    (clips,) = form.examples(2)
    with torch.inference_mode():
        logits, features = form(clips)
        assert torch.equal(logits, model(clips))
    assert (form.inputs, form.outputs, form.state) == (["clips"], ["logits", "features"], ())
    assert features.shape == (2, model.feature_dim)


def test_the_state_of_a_stream_network_goes_in_and_out_by_name() -> None:
    model = clip_model_of(plain_stream()).eval()
    form = form_of(model)
    assert isinstance(form, StreamForm)
    frames, *state = form.examples(2, 6)
    with torch.inference_mode():
        whole = form(frames, *state)[0]
        first = form(frames[:, :2], *state)
        second = form(frames[:, 2:], *first[2:])
    torch.testing.assert_close(torch.cat([first[0], second[0]], dim=1), whole, rtol=0, atol=1e-5)
    assert [name.removeprefix("state.") for name in form.inputs[1:]] == list(model.initial_state(1))
    assert [name.removeprefix("next.") for name in form.outputs[2:]] == list(model.initial_state(1))
    for one, value in zip(form.state, state, strict=True):
        assert (one.shape, one.dtype) == (tuple(value.shape[1:]), str(value.dtype).removeprefix("torch."))
