import numpy as np
import pytest
import torch
from torch import nn

from classifiers.choices import TASKS
from classifiers.losses import LOSSES, build_loss, weight_penalty

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]], dtype=torch.float32)
ONE = torch.tensor([0, 2])
MANY = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


def softmax_terms(smoothing=0.0):
    """(2,) by Keras's definition: smoothed targets times log-probabilities."""
    logits = LOGITS.double().numpy()
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -(logs * (np.eye(3)[ONE] * (1 - smoothing) + smoothing / 3)).sum(axis=1)


def sigmoid_terms(smoothing=0.0):
    """(2, 3), likewise."""
    logits, targets = LOGITS.double().numpy(), MANY.double().numpy() * (1 - smoothing) + smoothing / 2
    return -(targets * -np.log1p(np.exp(-logits)) + (1 - targets) * -np.log1p(np.exp(logits)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_softmax(smoothing):
    loss = build_loss("single-label", label_smoothing=smoothing)
    assert float(loss(LOGITS, ONE)) == pytest.approx(softmax_terms(smoothing).mean(), rel=1e-6)
    weighted = build_loss("single-label", label_smoothing=smoothing, class_weights=[2.0, 1.0, 0.5])
    expected = (softmax_terms(smoothing) * [2.0, 0.5]).sum() / 2  # divided by the videos, not by the weights
    assert float(weighted(LOGITS, ONE)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sigmoid(smoothing):
    loss = build_loss("multi-label", label_smoothing=smoothing)
    assert float(loss(LOGITS, MANY)) == pytest.approx(sigmoid_terms(smoothing).mean(), rel=1e-6)
    weighted = build_loss("multi-label", label_smoothing=smoothing, class_weights=[2.0, 1.0, 0.5])
    expected = (sigmoid_terms(smoothing) * [2.0, 1.0, 0.5]).mean()
    assert float(weighted(LOGITS, MANY)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("task", "targets"), [("single-label", ONE), ("multi-label", MANY)])
def test_half_precision_logits_give_a_full_precision_loss(task, targets):
    logits = LOGITS.to(torch.bfloat16).requires_grad_()
    loss = build_loss(task, class_weights=[1.0, 2.0, 3.0])(logits, targets)
    assert loss.dtype == torch.float32
    loss.backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(("task", "targets"), [("single-label", ONE), ("multi-label", MANY)])
def test_huge_logits_stay_finite(task, targets):
    assert torch.isfinite(build_loss(task, label_smoothing=0.1)(1e4 * LOGITS, targets))


def test_a_loss_has_an_empty_state_dict():
    assert not build_loss("single-label", class_weights=[1.0, 2.0, 3.0]).state_dict()


def test_an_unknown_task_is_refused_with_the_known_ones():
    assert tuple(LOSSES) == TASKS
    with pytest.raises(ValueError, match="'many', allowed: single-label, multi-label"):
        build_loss("many")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_smoothing": 1.0}, "label smoothing is 1.0"),
        ({"class_weights": [1.0, -1.0]}, "class weights contain -1.0"),
        ({"class_weights": [1.0, float("nan")]}, "class weights contain nan"),
    ],
)
def test_numbers_out_of_range_are_refused(task, options, message):
    with pytest.raises(ValueError, match=message):
        build_loss(task, **options)


@pytest.mark.parametrize(
    ("task", "targets", "weights", "message"),
    [
        ("single-label", MANY, None, r"targets \(2, 3\) for logits \(2, 3\), expected \(2,\)"),
        ("multi-label", MANY[:, :1], None, r"expected \(2, 3\)"),
        ("multi-label", ONE, None, r"expected \(2, 3\)"),
        ("single-label", ONE, [1.0], "1 class weights for 3 classes"),
        ("multi-label", MANY, [1.0], "1 class weights for 3 classes"),
    ],
)
def test_shapes_that_torch_would_broadcast_are_refused(task, targets, weights, message):
    with pytest.raises(ValueError, match=message):
        build_loss(task, class_weights=weights)(LOGITS, targets)


def test_penalties_apply_to_weights_only():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    weights = np.concatenate([model[i].weight.detach().numpy().ravel() for i in (0, 2)])
    assert weight_penalty(model, l1=0.5).item() == pytest.approx(0.5 * np.abs(weights).sum(), rel=1e-6)
    assert weight_penalty(model, l2=0.1).item() == pytest.approx(0.1 * (weights**2).sum(), rel=1e-6)
    both = weight_penalty(model, l1=0.5, l2=0.1)
    both.backward()
    torch.testing.assert_close(both, weight_penalty(model, l1=0.5) + weight_penalty(model, l2=0.1))
    assert model[0].bias.grad is model[1].weight.grad is None
    model[0].weight.requires_grad_(False)
    assert weight_penalty(model, l2=0.1) < both
    assert weight_penalty(model) == 0
