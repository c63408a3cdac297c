import pytest
import torch

from classifiers.checkpoint import EpochRecord, TrainingHistory
from classifiers.training_state import TrainingState, TrainingStateError
from cluster.training_states import StateFolder


def state(epochs):
    records = tuple(
        EpochRecord(epoch=number, seconds=1.0, learning_rate=0.1, training={"loss": 1.0}, validation={})
        for number in range(epochs)
    )
    weights = {"weight": torch.full((2,), float(epochs))}
    return TrainingState(weights, weights, {}, 10 * epochs, TrainingHistory(epochs=records, best_epoch=0))


def test_the_last_state_counts_and_two_are_kept(tmp_path):
    states = StateFolder(str(tmp_path), {"epochs": 20})
    assert states.latest() is None
    for epochs in (8, 9, 10, 11):
        states.write(state(epochs))
    found = states.latest()
    assert (len(found.history.epochs), found.step) == (11, 110)
    assert torch.equal(found.model["weight"], torch.full((2,), 11.0))
    names = sorted(path.name for path in (tmp_path / "state").iterdir())
    assert names == ["epoch-0010.safetensors", "epoch-0011.safetensors"]
    states.clear()
    assert not (tmp_path / "state").exists()
    states.clear()


def test_another_training_is_refused_and_a_damaged_state_too(tmp_path):
    StateFolder(str(tmp_path), {"epochs": 20}).write(state(3))
    with pytest.raises(TrainingStateError, match=r"epochs was 20, is 10(.|\n)*another --output"):
        StateFolder(str(tmp_path), {"epochs": 10}).latest()
    path = tmp_path / "state" / "epoch-0003.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(TrainingStateError, match="cannot be read"):
        StateFolder(str(tmp_path), {"epochs": 20}).latest()


def test_the_course_remembers_interruptions(tmp_path):
    states = StateFolder(str(tmp_path), {})
    assert states.course() is None
    first = states.begin(0)
    assert first.resumed_at_epoch == ()
    assert states.begin(3).resumed_at_epoch == (3,)
    last = states.begin(5)
    assert last.resumed_at_epoch == (3, 5)
    assert last.started_at == first.started_at
    assert states.course() == last
