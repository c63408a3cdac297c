"""Training states: what is written is read, frozen tensors apart, equal tensors once, nothing damaged or foreign."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

from classifiers.training.identity import TrainingIdentity
from classifiers.training.state import (
    TrainingState,
    TrainingStateError,
    optimizer_state,
    optimizer_tensors,
    read_state,
    write_frozen,
    write_state,
)
from classifiers.weights.checkpoint import TrainingHistory
from schemas.trainings import Epoch

IDENTITY = TrainingIdentity({"model": "c3d", "epochs": 2, "fractions": ["0.7", "0.3"]})
EPOCHS = tuple(
    Epoch(epoch=number, seconds=1.5, learning_rate=0.1, training={"loss": 2.0}, validation={"loss": None}, phase=number)
    for number in range(2)
)


def state(*, frozen: tuple[str, ...] = ()) -> TrainingState:
    """A model with `a` and `b`; `b` is the same in the best epoch."""
    shared = torch.arange(1000.0)
    return TrainingState(
        model={"a": torch.tensor([1.0, 2.0]), "b": shared},
        best={"a": torch.tensor([3.0, 4.0]), "b": shared.clone()},
        optimizer={"0.exp_avg": torch.tensor([0.5, 0.25]), "0.step": torch.tensor(7.0)},
        step=7,
        history=TrainingHistory(epochs=EPOCHS, best_epoch=0),
        frozen=frozenset(frozen),
    )


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_a_state_is_read_as_it_was_written() -> None:
    written = state()
    found = read_state(write_state(written, IDENTITY), IDENTITY)
    for part in ("model", "best", "optimizer"):
        assert_equal(getattr(found, part), getattr(written, part))
    assert (found.step, found.history) == (7, written.history)


def test_tensors_that_the_best_epoch_shares_are_stored_once() -> None:
    assert len(write_state(state(), IDENTITY)) < 1.5 * 4 * 1000


def test_frozen_tensors_are_read_from_their_own_file_by_phase() -> None:
    written, phases = state(frozen=("b",)), []

    def read_frozen(phase: int) -> bytes:
        phases.append(phase)
        return write_frozen(written)

    small = write_state(written, IDENTITY, with_frozen=False)
    assert len(small) < 1500
    found = read_state(small, IDENTITY, read_frozen)
    assert_equal(found.model, written.model)
    assert_equal(found.best, written.best)
    assert phases == [1], "the phase of the last epoch"
    whole = read_state(write_state(written, IDENTITY), IDENTITY)
    assert_equal(whole.model, written.model)


def test_a_state_of_other_options_is_refused_with_the_differences() -> None:
    data = write_state(state(), IDENTITY)
    with pytest.raises(TrainingStateError, match="other options") as caught:
        read_state(data, TrainingIdentity({"model": "i3d", "epochs": 2, "seed": 1}))
    assert "fractions was ['0.7', '0.3'], is None; model was 'c3d', is 'i3d'; seed was None, is 1" in str(caught.value)


def test_damaged_states_are_refused() -> None:
    data = write_state(state(), IDENTITY)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    del header["__metadata__"]
    plain = json.dumps(header).encode()
    without_progress = len(plain).to_bytes(8, "little") + plain + data[8 + size :]
    for damaged in (b"", data[:100], data[:-1], b"\xff" * 64, without_progress):
        with pytest.raises(TrainingStateError, match="cannot be read"):
            read_state(damaged, IDENTITY)


@pytest.mark.parametrize("name", ["Adam", "SGD", "RMSprop"])
def test_an_optimizer_continues_from_its_tensors(name: str) -> None:
    def steps(model: nn.Linear, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            model(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()

    def start() -> tuple[nn.Linear, torch.optim.Optimizer]:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        return model, getattr(torch.optim, name)(model.parameters(), lr=0.01)

    expected, uninterrupted = start()
    steps(expected, uninterrupted, 5)
    model, optimizer = start()
    steps(model, optimizer, 2)
    resumed, fresh = start()
    resumed.load_state_dict(model.state_dict())
    fresh.load_state_dict(optimizer_state(fresh, optimizer_tensors(optimizer)))
    steps(resumed, fresh, 3)
    assert_equal(resumed.state_dict(), expected.state_dict())
