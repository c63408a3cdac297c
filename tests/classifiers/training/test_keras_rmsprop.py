from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from classifiers.training import keras_rmsprop
from classifiers.training.keras_rmsprop import KerasRMSprop
from tests.support import keras_models

EXPECTED = Path(__file__).parents[2] / "fixtures" / "keras" / "expected.npz"
ONE = torch.ones(256, dtype=torch.int64)


@pytest.mark.parametrize(("classes", "seed"), [(10, 511), (20, 521), (50, 551)])
def test_training_follows_keras_step_by_step(classes: int, seed: int) -> None:
    model = keras_models.model_5(classes)
    optimizer = KerasRMSprop(model.parameters())
    rgb, audio, targets = keras_models.batch(seed, 256, classes)
    losses = []
    for _ in range(6):
        loss = F.cross_entropy(model(rgb, audio, ONE), targets)
        losses.append(loss.item())
        if len(losses) < 6:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    expected = keras_models.expected(classes)
    np.testing.assert_allclose(losses, expected["losses_keras3_eps_inside"], rtol=0, atol=2e-6)
    rgb, audio, _ = keras_models.batch(seed - 1, 8, classes)
    probabilities = model(rgb, audio, ONE[:8]).softmax(1).detach().numpy()
    np.testing.assert_allclose(probabilities, expected["probs_after5_eps_inside"], rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("plain", {}),
        ("momentum", {"momentum": 0.7, "rho": 0.8}),
        ("centered", {"centered": True, "lr": 0.01}),
        ("both", {"centered": True, "momentum": 0.5, "eps": 1e-4}),
    ],
)
def test_every_variant_equals_keras(variant: str, options: dict[str, float]) -> None:
    with np.load(EXPECTED) as arrays:
        start, gradients, expected = arrays["start"], arrays["gradients"], arrays[variant]
    # In two tensors, of which one rests for a step: what they have learnt must not mix.
    weights = [torch.nn.Parameter(torch.from_numpy(part.copy())) for part in (start[:1], start[1:])]
    resting = torch.nn.Parameter(torch.ones(2))
    optimizer = KerasRMSprop([*weights, resting], **options)
    for gradient, after in zip(gradients, expected, strict=True):
        weights[0].grad, weights[1].grad = torch.from_numpy(gradient[:1]), torch.from_numpy(gradient[1:])
        optimizer.step()
        np.testing.assert_allclose(torch.cat(weights).detach().numpy(), after, rtol=1e-5, atol=1e-7)
    assert resting.tolist() == [1, 1]


def test_state_continues_after_save_and_load() -> None:
    def run(steps: int, weight: torch.nn.Parameter, optimizer: KerasRMSprop) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            (weight**2).sum().backward()
            optimizer.step()

    options = {"momentum": 0.5, "centered": True}
    whole = torch.nn.Parameter(torch.arange(3.0))
    run(6, whole, KerasRMSprop([whole], **options))
    first = torch.nn.Parameter(torch.arange(3.0))
    before = KerasRMSprop([first], **options)
    run(3, first, before)
    second = torch.nn.Parameter(first.detach().clone())
    after = KerasRMSprop([second], lr=0.5)
    after.load_state_dict(before.state_dict())
    run(3, second, after)
    assert torch.equal(second, whole)


def test_closure_runs_with_gradients() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = KerasRMSprop([weight])

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1
    assert weight.item() < 1


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(ValueError, match=r"lr .* got -1; eps .* got 0; rho .* got 1; momentum .* got -0.1"):
        KerasRMSprop([torch.nn.Parameter(torch.ones(1))], lr=-1, eps=0, rho=1, momentum=-0.1)


@pytest.mark.parametrize("options", [{}, {"momentum": 0.7}, {"centered": True}])
def test_parts_give_the_bits_of_whole_tensors(options: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    def run(part: int) -> list[torch.Tensor]:
        monkeypatch.setattr(keras_rmsprop, "PART", part)
        generator = torch.Generator().manual_seed(0)
        shapes = ((40, 30), (7,), (3, 5, 8, 2), (1,), (300,))
        weights = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
        turned = torch.randn(30, 40, generator=generator).t()  # whose numbers do not lie in order
        weights.append(torch.nn.Parameter(turned))
        optimizer = KerasRMSprop(weights, **options)
        for _ in range(3):
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=generator)
            optimizer.step()
        return [weight.detach() for weight in weights]

    whole = run(1 << 18)
    for part in (1, 64, 1000):
        assert all(torch.equal(one, other) for one, other in zip(run(part), whole, strict=True))
