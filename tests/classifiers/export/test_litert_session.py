from __future__ import annotations

import numpy as np
import pytest
import torch

from classifiers.export.agreement import excess, random_check
from classifiers.export.form import form_of
from classifiers.export.litert_session import LiteRtSession
from classifiers.inference.clip_classifier import clip_model_of
from tests.support.exports import LITERT, litert_fixture, plain_stream


@pytest.mark.parametrize("name", sorted(LITERT))
def test_a_file_agrees_with_its_checkpoint(name: str) -> None:
    form, content = litert_fixture(name)
    check = random_check(form, LiteRtSession(content))
    assert check.deviation > 0
    assert excess(check, "fp32", 1.0) == []


def test_a_file_does_not_agree_with_another_checkpoint() -> None:
    other = form_of(clip_model_of(plain_stream()))
    wrong = random_check(other, LiteRtSession(litert_fixture("stream")[1]))
    assert any("deviations off" in problem for problem in excess(wrong, "fp32", 1.0))


def test_the_state_after_the_frames_is_that_of_torch() -> None:
    form, content = litert_fixture("stream")
    frames, *state = form.examples(2, 5)
    with torch.inference_mode():
        logits, features, *following = form(frames, *state)
    found = LiteRtSession(content).run(frames.numpy())
    np.testing.assert_allclose(found[0], logits, rtol=0, atol=1e-4 * logits.std())
    np.testing.assert_allclose(found[1], features, rtol=0, atol=1e-4 * features.std())
    assert list(found[2]) == form.inputs[1:]
    for value, expected in zip(found[2].values(), following, strict=True):
        assert value.dtype == expected.numpy().dtype
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    session = LiteRtSession(litert_fixture("clip")[1])
    with pytest.raises(ValueError, match="takes clips of shape"):
        session.run(np.zeros((1, 1, 8, 8, 3), np.uint8))
