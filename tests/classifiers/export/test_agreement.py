from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classifiers.export.agreement import VIDEOS, compare, excess, random_check
from classifiers.export.onnx_session import OnnxSession
from tests.support.clips import trained_clips
from tests.support.exports import exported, plain_stream


def test_a_file_agrees_with_its_checkpoint_and_not_with_another() -> None:
    for checkpoint, other in (
        (trained_clips(), trained_clips(seed=7)),
        (plain_stream(), plain_stream(seed=7)),
    ):
        form, content = exported(checkpoint)
        check = random_check(form, OnnxSession(content))
        assert check.deviation > 0
        assert excess(check, "fp32", 1.0) == []
        wrong = random_check(form, OnnxSession(exported(other)[1]))
        assert any("deviations off" in problem for problem in excess(wrong, "fp32", 1.0))


@pytest.mark.heavy
def test_a_file_forgets_as_its_checkpoint_does() -> None:
    form, content = exported(plain_stream(), memory_frames=300)
    session = OnnxSession(content)
    assert session.exported.memory_frames == 300
    assert excess(random_check(form, session), "fp32", 1.0) == []
    unforgetting = OnnxSession(exported(plain_stream())[1])
    assert any("deviations off" in problem for problem in excess(random_check(form, unforgetting), "fp32", 1.0))


def test_clips_count_where_the_best_class_is_the_same() -> None:
    form, content = exported(trained_clips())
    clips = form.examples(4)[0].numpy()
    check = compare(form, OnnxSession(content), [clips[:3], clips[3:]], VIDEOS)
    assert (check.clips, check.top1_agreement, check.chunked_difference) == (4, 1.0, 0.0)
    assert "best class" in excess(replace(check, top1_agreement=0.5), "int8", 0.9)[0]
    assert excess(replace(check, top1_agreement=0.95), "int8", 0.9) == []


def test_numbers_that_are_none_are_refused() -> None:
    form, content = exported(trained_clips())
    check = random_check(form, OnnxSession(content))
    assert excess(replace(check, max_difference=np.nan), "fp32", 0.0)
