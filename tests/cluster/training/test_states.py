import pytest
import torch

from classifiers.training.identity import TrainingIdentity
from classifiers.training.state import TrainingState, TrainingStateError
from classifiers.weights.checkpoint import TrainingHistory
from cluster.training.states import StateFolder
from schemas.trainings import Epoch


def state(epochs):
    records = tuple(
        Epoch(epoch=number, seconds=1.0, learning_rate=0.1, training={"loss": 1.0}, validation={})
        for number in range(epochs)
    )
    weights = {"weight": torch.full((2,), float(epochs))}
    return TrainingState(weights, weights, {}, 10 * epochs, TrainingHistory(epochs=records, best_epoch=0))


def test_the_last_state_counts_and_two_are_kept(tmp_path):
    states = StateFolder(str(tmp_path), TrainingIdentity({"epochs": 20}))
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


def test_what_is_frozen_is_written_once(tmp_path):
    states = StateFolder(str(tmp_path), TrainingIdentity({}))

    def after(epochs, phase):
        record = Epoch(epoch=epochs, seconds=1.0, learning_rate=0.1, training={"loss": 1.0}, validation={}, phase=phase)
        model = {"trunk": torch.full((5000,), float(phase)), "head": torch.full((2,), float(epochs))}
        best = {**model, "head": torch.zeros(2)}
        history = TrainingHistory(epochs=(record,) * epochs, best_epoch=0)
        return TrainingState(model, best, {}, epochs, history, frozenset({"trunk"}))

    folder = tmp_path / "state"
    for epochs, phase in ((1, 0), (2, 0), (3, 1)):
        states.write(after(epochs, phase))
        found = StateFolder(str(tmp_path), TrainingIdentity({})).latest()
        expected = after(epochs, phase)
        for part in ("model", "best"):
            assert getattr(found, part).keys() == getattr(expected, part).keys()
            assert all(torch.equal(value, getattr(expected, part)[key]) for key, value in getattr(found, part).items())
    assert (
        (folder / "epoch-0003.safetensors").stat().st_size < 4 * 5000 < (folder / "frozen-1.safetensors").stat().st_size
    )
    assert {path.name for path in folder.glob("frozen*")} == {"frozen-0.safetensors", "frozen-1.safetensors"}
    (folder / "frozen-1.safetensors").unlink()
    with pytest.raises(TrainingStateError, match="which belongs to it, is missing"):
        states.latest()


def test_another_training_is_refused_and_a_damaged_state_too(tmp_path):
    StateFolder(str(tmp_path), TrainingIdentity({"epochs": 20})).write(state(3))
    with pytest.raises(TrainingStateError, match=r"epochs was 20, is 10(.|\n)*another --output"):
        StateFolder(str(tmp_path), TrainingIdentity({"epochs": 10})).latest()
    path = tmp_path / "state" / "epoch-0003.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(TrainingStateError, match="cannot be read"):
        StateFolder(str(tmp_path), TrainingIdentity({"epochs": 20})).latest()


def test_the_course_remembers_interruptions(tmp_path):
    states = StateFolder(str(tmp_path), TrainingIdentity({}))
    assert states.resume_log() is None
    first = states.begin(0, "bf16")
    assert (first.resumed_at_epoch, first.precision) == ((), "bf16")
    assert states.begin(3, "bf16").resumed_at_epoch == (3,)
    last = states.begin(5, "bf16")
    assert last.resumed_at_epoch == (3, 5)
    assert last.started_at == first.started_at
    assert states.resume_log() == last


@pytest.mark.parametrize(("name", "content"), [("course.json", b"{"), ("course.json", b"\xff"), ("lost.json", b"[]")])
def test_damaged_notes_are_told(tmp_path, name, content):
    states = StateFolder(str(tmp_path), TrainingIdentity({}))
    states.begin(0, "bf16")
    (tmp_path / "state" / name).write_bytes(content)
    with pytest.raises(TrainingStateError, match=f"{name} is damaged"):
        (states.resume_log if name == "course.json" else states.lost)()
