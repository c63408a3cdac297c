import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from extractors.weights.content import WeightsError
from extractors.weights.formats import read_state
from extractors.weights.torch_files import load_torch, read_safetensors, read_torch_state


@pytest.mark.parametrize("is_legacy", [True, False])
def test_a_file_cut_anywhere_is_damaged_and_its_size_is_given(tmp_path, is_legacy):
    state = {"conv.weight": torch.arange(24.0), "conv.bias": torch.ones(2)}
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=not is_legacy)
    whole = (tmp_path / "w.pth").read_bytes()
    for size in range(1, len(whole), 23):
        (tmp_path / "cut.pth").write_bytes(whole[:size])
        with pytest.raises(WeightsError, match=rf"cut\.pth is truncated or damaged \({size:,} bytes; .*copy it again"):
            read_state(tmp_path / "cut.pth")


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda key: f"module.{key}",
        lambda key: f"_orig_mod.{key}",
        lambda key: f"module._orig_mod.{key}",
        lambda key: f"_orig_mod.module.{key}",
        lambda key: key.replace("stem.", "stem._orig_mod."),
        lambda key: key.replace("stem.", "stem._fsdp_wrapped_module._checkpoint_wrapped_module."),
    ],
)
def test_what_wrappers_put_into_keys_is_taken_out(tmp_path, wrapped):
    state = {"stem.weight": torch.ones(2), "bias": torch.zeros(1)}
    given = {wrapped(key): value for key, value in state.items()}
    torch.save(given, tmp_path / "w.pth")
    save_file(given, tmp_path / "w.safetensors")
    for found in (read_torch_state(tmp_path / "w.pth"), read_safetensors(tmp_path / "w.safetensors")):
        assert set(found) == {"stem.weight", "bias"}


def test_wrapped_models_of_torch(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 3))
    for wrapped in (torch.nn.DataParallel(model), torch.compile(model), torch.compile(torch.nn.DataParallel(model))):
        torch.save(wrapped.state_dict(), tmp_path / "w.pth")
        assert set(read_torch_state(tmp_path / "w.pth")) == {"0.weight", "0.bias"}


def test_keys_that_differ_by_a_wrapper_alone_are_refused(tmp_path):
    torch.save({"a": torch.ones(1), "module.a": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="differ by the prefix of a wrapper alone"):
        read_torch_state(tmp_path / "w.pth")


@pytest.mark.parametrize("is_legacy", [True, False])
@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
def test_numbers_of_a_training_beside_tensors_are_accepted(tmp_path, key, is_legacy):
    numbers = {
        "epoch": 3,
        "best": np.float64(0.5),
        "lr": np.float32(0.1),
        "step": np.int64(7),
        "name": "x",
        "none": None,
    }
    arrays = {"a": torch.ones(2), "b": np.arange(3, dtype=np.float16), "n": np.bool_(True)}
    content = {**numbers, **arrays} if key is None else {**numbers, "history": [np.float64(1.0)], key: arrays}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not is_legacy)
    found = read_torch_state(tmp_path / "w.pth")
    assert set(found) == {"a", "b"}
    assert found["b"].tolist() == [0, 1, 2]


def test_pickles_of_numpy_1_are_read(tmp_path):
    torch.save({"a": torch.ones(2), "best": np.float64(0.5)}, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    content = (tmp_path / "w.pth").read_bytes()
    assert b"numpy._core.multiarray" in content
    (tmp_path / "w.pth").write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert set(read_torch_state(tmp_path / "w.pth")) == {"a"}
    assert load_torch(tmp_path / "w.pth")["best"] == 0.5


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([torch.ones(1)], "it contains list, not a state dict"),
        ({"epoch": 3}, "it contains a dict with nothing, not a state dict"),
        ({"net": {"a": torch.ones(1)}, "epoch": 3}, "it contains a dict with net, not a state dict"),
        ({}, "it contains a dict with nothing"),
        ({0: torch.ones(1)}, "it contains a dict with 0, not a state dict"),
    ],
)
def test_other_content_is_named(tmp_path, content, problem):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=problem):
        read_torch_state(tmp_path / "w.pth")
