import numpy as np
import pytest
import torch
import torch.nn.functional as F

from classifiers.metrics import calibration
from classifiers.metrics.calibration import calibrate, probabilities


def problem(*, single_label, scale, videos=4000, classes=6, seed=0):
    """Logits and labels drawn from their probabilities; then the logits are `scale` times too large."""
    random = np.random.default_rng(seed)
    logits = 2 * random.standard_normal((videos, classes))
    shares = probabilities(logits, is_single_label=single_label)
    if single_label:
        targets = np.array([random.choice(classes, p=row) for row in shares])
    else:
        targets = (random.random((videos, classes)) < shares).astype(np.float32)
    return (scale * logits).astype(np.float32), targets


def torch_loss(logits, targets, temperature):
    scaled, labels = torch.from_numpy(logits).double() / temperature, torch.from_numpy(targets)
    if targets.ndim == 1:
        return float(F.cross_entropy(scaled, labels))
    return float(F.binary_cross_entropy_with_logits(scaled, labels.double()))


@pytest.mark.parametrize("single_label", [True, False])
@pytest.mark.parametrize("scale", [0.2, 1.0, 5.0])
def test_the_temperature_minimises_the_loss(single_label, scale):
    logits, targets = problem(single_label=single_label, scale=scale)
    found = calibrate(logits, targets)
    assert found.temperature == pytest.approx(scale, rel=0.1)
    assert found.loss_before == pytest.approx(torch_loss(logits, targets, 1.0), rel=1e-12)
    assert found.loss_after == pytest.approx(torch_loss(logits, targets, found.temperature), rel=1e-12)
    for beside in (0.999, 1.001):
        assert found.loss_after < torch_loss(logits, targets, beside * found.temperature)
    assert found.error_after < 0.03
    if scale != 1:
        assert found.error_before > 3 * found.error_after


@pytest.mark.parametrize("single_label", [True, False])
def test_the_temperature_does_not_depend_on_chunks_or_array_types(monkeypatch, single_label):
    logits, targets = problem(single_label=single_label, scale=3.0, videos=500)
    at_once = calibrate(logits, targets)
    monkeypatch.setattr(calibration, "CHUNK_VALUES", 100)
    in_chunks = calibrate(torch.from_numpy(logits), torch.from_numpy(targets))
    assert vars(in_chunks) == pytest.approx(vars(at_once), rel=1e-9)


@pytest.mark.parametrize("single_label", [True, False])
def test_the_ranking_does_not_change(single_label):
    logits, targets = problem(single_label=single_label, scale=3.0, videos=300)
    temperature = calibrate(logits, targets).temperature
    before, after = (probabilities(logits, is_single_label=single_label, temperature=t) for t in (1.0, temperature))
    np.testing.assert_array_equal(np.argsort(before, axis=1), np.argsort(after, axis=1))


@pytest.mark.parametrize("single_label", [True, False])
def test_without_mistakes_the_temperature_is_1(single_label):
    targets = np.array([0, 1, 2, 1]) if single_label else np.array([[1, 0, 1], [0, 1, 0]])
    logits = np.eye(3)[targets] if single_label else np.where(targets, 0.1, -3.0)
    found = calibrate(logits, targets)
    assert found.temperature == 1.0
    assert (found.loss_before, found.error_before) == (found.loss_after, found.error_after)


@pytest.mark.parametrize("single_label", [True, False])
def test_a_model_that_is_always_wrong_gets_the_highest_temperature(single_label):
    targets = np.array([0, 1, 2, 1])
    logits = -np.eye(3)[targets]
    found = calibrate(logits, targets if single_label else logits < 0)
    assert found.temperature == pytest.approx(calibration.MAX_TEMPERATURE)
    assert found.loss_after < found.loss_before


def test_extreme_logits_give_a_finite_temperature():
    logits = np.array([[1e4, -1e4], [1e4, -1e4], [-1e4, 1e4]], np.float32)
    for targets in (np.array([0, 1, 1]), np.array([[1, 0], [0, 1], [0, 1]])):
        assert np.isfinite(list(vars(calibrate(logits, targets)).values())).all()


def test_no_videos_are_refused():
    with pytest.raises(ValueError, match="the split is empty"):
        calibrate(np.zeros((0, 3)), np.zeros(0, int))
