"""Decoding against its definition, the sum over all paths, and against TensorFlow's and torch's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.text.ctc import Hypothesis, checked, greedy, log_likelihood, prefix_beam_search
from tests.support.ctc_paths import log_softmax, random_log_probabilities, sequences_of
from tests.support.parity import golden

EVERYTHING = 10**6
SMALL = settings(max_examples=25, deadline=None, derandomize=True, database=None)
BLANK = 5  # of the golden numbers, the last of six outputs


def golden_inputs() -> list[np.ndarray]:
    data = golden("ctc")
    return [log_softmax(logits[:length]) for logits, length in zip(data["logits"], data["input_lengths"], strict=True)]


def unpadded(labels: np.ndarray) -> tuple[int, ...]:
    return tuple(label for label in labels.tolist() if label >= 0)


def test_likelihood_is_that_of_torch_and_tensorflow():
    data = golden("ctc")
    for values, labels, length, loss in zip(
        golden_inputs(), data["labels_padded"], data["label_lengths"], data["loss_nll"], strict=True
    ):
        assert -log_likelihood(values, labels[:length].tolist(), BLANK) == pytest.approx(loss, rel=1e-7)


def test_greedy_decoding_is_that_of_tensorflow():
    data = golden("ctc")
    for video, values in enumerate(golden_inputs()):
        hypothesis = greedy(values, BLANK)
        assert hypothesis.labels == unpadded(data["greedy"][video])
        logits = data["logits"][video, : len(values)]
        theirs = -data["greedy_neg_sum_logits"][video, 0] - np.logaddexp.reduce(logits, axis=1).sum()  # of logits
        assert hypothesis.log_probability == pytest.approx(theirs, rel=1e-5)


def test_beam_search_is_that_of_tensorflow():
    """Scores too, which lack the paths through what a beam of 100 drops: both drop the same prefixes."""
    data = golden("ctc")
    for video, values in enumerate(golden_inputs()):
        first, second = prefix_beam_search(values, BLANK, width=100, results=2)
        assert first.labels == unpadded(data["beam100_top1"][video])
        assert second.labels == unpadded(data["beam100_top2"][video])
        scores = (first.log_probability, second.log_probability)
        np.testing.assert_allclose(scores, data["beam100_logprob"][video], rtol=1e-6)
        exact = log_likelihood(values, first.labels, BLANK)
        assert first.log_probability < exact < first.log_probability + 2e-3


@SMALL
@given(
    seed=st.integers(0, 10**6),
    steps=st.integers(0, 5),
    outputs=st.integers(2, 4),
    place=st.integers(0, 3),
    data=st.data(),
)
def test_a_wide_beam_sums_over_all_paths(seed: int, steps: int, outputs: int, place: int, data: st.DataObject):
    values, blank = random_log_probabilities(seed, steps, outputs), place % outputs
    expected = sequences_of(values, blank)
    found = prefix_beam_search(values, blank, width=EVERYTHING, results=EVERYTHING)
    assert {one.labels: np.exp(one.log_probability) for one in found} == pytest.approx(expected, rel=1e-9)
    assert sum(np.exp(one.log_probability) for one in found) == pytest.approx(1)
    assert [one.log_probability for one in found] == sorted((one.log_probability for one in found), reverse=True)
    labels = data.draw(st.sampled_from(sorted(expected)))
    assert np.exp(log_likelihood(values, labels, blank)) == pytest.approx(expected[labels], rel=1e-9)


@SMALL
@given(seed=st.integers(0, 10**6), width=st.integers(1, 8))
def test_a_narrow_beam_keeps_what_it_has_and_claims_no_more_than_all_paths(seed: int, width: int):
    values = random_log_probabilities(seed, 12, 5)
    found = prefix_beam_search(values, 4, width=width, results=width)
    assert 1 <= len(found) <= width
    for one in found:
        assert one.log_probability <= log_likelihood(values, one.labels, 4) + 1e-9


def test_beam_search_finds_what_greedy_decoding_misses():
    """Paths "a", "a-" and "-a" together outweigh the single best path, which is blank throughout."""
    values = np.log([[0.6, 0.4], [0.6, 0.4]])
    assert greedy(values, 0) == Hypothesis((), pytest.approx(np.log(0.36)))
    assert prefix_beam_search(values, 0) == [Hypothesis((1,), pytest.approx(np.log(0.64)))]


def test_repeats_need_a_blank_between():
    assert greedy(np.log(np.eye(3)[[1, 1, 0, 1, 2]] * 0.97 + 0.01), 0).labels == (1, 1, 2)
    assert log_likelihood(random_log_probabilities(0, 2, 3), (1, 1), 0) == -np.inf
    assert log_likelihood(np.zeros((0, 3)), (1,), 0) == -np.inf


def test_impossible_outputs_are_never_decoded():
    with np.errstate(divide="ignore"):
        values = np.log([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])
    assert [one.labels for one in prefix_beam_search(values, 0, results=9)] == [(1,)]


@pytest.mark.parametrize(
    ("values", "blank", "message"),
    [
        (np.full((2, 4), 0.25), 0, r"step 0 sum to 5\.136 .* give log_softmax"),
        (np.full((2, 4), np.nan), 0, "step 0 sum to nan"),
        (np.full((2, 4), np.inf), 0, "step 0 sum to inf"),
        (np.zeros(4), 0, r"\(steps, outputs\), got an array \(4,\)"),
        (np.log(np.full((2, 4), 0.25)), 4, "blank is output 4, but there are outputs 0 to 3"),
    ],
)
def test_what_is_no_log_probability_is_refused(values: np.ndarray, blank: int, message: str):
    with pytest.raises(ValueError, match=message):
        checked(values, blank)


def test_a_beam_without_width_is_refused():
    with pytest.raises(ValueError, match="width is 0, expected 1 or more"):
        prefix_beam_search(random_log_probabilities(0, 2, 3), 0, width=0)
