from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from classifiers.ctc_loss import CtcLoss

PARITY = Path(__file__).parents[1] / "fixtures" / "parity" / "ctc.npz"


@pytest.fixture(scope="module")
def reference() -> dict[str, Tensor]:
    """Three clips of up to 14 frames and 5 characters, repeated ones among them; class 5 of 0 to 5 is the blank."""
    with np.load(PARITY) as arrays:
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def given(reference: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    labels = reference["labels_padded"].long()
    return reference["logits"], reference["input_lengths"], labels, reference["label_lengths"]


def test_losses_are_those_of_torch_in_float64_and_of_tensorflow(reference: dict[str, Tensor]) -> None:
    losses = CtcLoss(blank=-1).losses(*given(reference))
    torch.testing.assert_close(losses.double(), reference["loss_nll"], rtol=1e-6, atol=0)
    torch.testing.assert_close(losses, reference["loss_tf_ctc_loss"], rtol=1e-6, atol=0)
    # Keras's ctc_batch_cost adds 1e-7 to probabilities.
    torch.testing.assert_close(losses, reference["loss_keras_ctc_batch_cost"], rtol=0, atol=1e-3)


def test_the_mean_is_that_of_the_sums_whatever_the_length_of_the_texts(reference: dict[str, Tensor]) -> None:
    loss = CtcLoss(blank=5)(*given(reference))
    assert float(loss) == pytest.approx(float(reference["loss_nll"].mean()), rel=1e-6)


def test_padding_does_not_count_and_gets_no_gradient(reference: dict[str, Tensor]) -> None:
    logits, frames, labels, lengths = given(reference)
    inside = torch.arange(logits.shape[1]) < frames[:, None]
    padded = logits.masked_fill(~inside[:, :, None], 1e4).requires_grad_()
    other = labels.masked_fill(torch.arange(labels.shape[1]) >= lengths[:, None], 99)
    losses = CtcLoss(blank=-1).losses(padded, frames, other, lengths)
    torch.testing.assert_close(losses.double(), reference["loss_nll"], rtol=1e-6, atol=0)
    losses.sum().backward()
    assert padded.grad is not None
    assert not padded.grad[~inside].any()
    assert padded.grad[inside].any(dim=1).all()


def test_half_precision_logits_give_a_full_precision_loss(reference: dict[str, Tensor]) -> None:
    logits, *rest = given(reference)
    loss = CtcLoss(blank=-1)(logits.bfloat16(), *rest)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(reference["loss_nll"].mean()), rel=0.01)


def test_an_empty_text_is_all_blanks() -> None:
    logits = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0))
    loss = CtcLoss(blank=0)(logits, torch.tensor([3]), torch.zeros(1, 0, dtype=torch.int64), torch.tensor([0]))
    torch.testing.assert_close(loss, -logits.log_softmax(2)[0, :, 0].sum())


@pytest.mark.parametrize(
    ("frames", "labels", "lengths", "message"),
    [
        ([4, 5], [[1, 2], [1, 2]], [2, 2], "a clip has 5 frames, allowed are 1 to 4"),
        (
            [4, 0],
            [[1, 2], [1, 2]],
            [2, 3],
            "a clip has 0 frames, allowed are 1 to 4; a clip has 3 labels, allowed are 0 to 2",
        ),
        ([4, 4], [[1, 2], [3, 2]], [2, 2], "clip 1 has label 3, of 4 classes with the blank 3"),
        ([4, 4], [[1, 4], [-1, 2]], [2, 2], "clip 0 has label 4, .*; clip 1 has label -1, "),
        (
            [1, 2],
            [[1, 2], [1, 1]],
            [2, 2],
            "clip 0 has 1 frames, its 2 labels need 2; clip 1 has 2 frames, its 2 labels need 3",
        ),
        (
            [4],
            [[1, 2], [1, 2]],
            [2, 2],
            r"logits \(2, 4, 4\) need labels \(N, S\) and two lengths \(N,\), got \(2, 2\), \(1,\)",
        ),
    ],
)
def test_data_that_torch_misreads_or_calls_infinite_are_refused(
    frames: list[int], labels: list[list[int]], lengths: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        CtcLoss(blank=3)(torch.zeros(2, 4, 4), torch.tensor(frames), torch.tensor(labels), torch.tensor(lengths))


def test_a_text_that_just_fits_is_possible() -> None:
    loss = CtcLoss(blank=3)(torch.zeros(1, 3, 4), torch.tensor([3]), torch.tensor([[1, 1]]), torch.tensor([2]))
    assert float(loss) == pytest.approx(3 * np.log(4))
