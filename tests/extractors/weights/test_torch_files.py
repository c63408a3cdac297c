import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from extractors.weights.content import WeightsError
from extractors.weights.formats import read_state
from extractors.weights.torch_files import load_torch, read_safetensors, read_torch_state
from schemas.budget import Budget, BudgetError
from tests.support.bombs import Claim, Member, write_torch, write_zip
from tests.support.memory import memory_below


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


@pytest.mark.heavy
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


STATE = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16), "n": np.arange(3.0)}
ONE = Member.stored(np.ones(1, "<f4").tobytes())


def refused(path, message, mebibytes=50):
    with memory_below(mebibytes), pytest.raises(WeightsError, match=rf"{path.name} is not a usable \.pth .*{message}"):
        read_state(path)


def test_views_of_stored_values_are_read(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    torch.save(
        {"rows": whole[1:], "turned": whole.T, "shared": whole, "none": whole[:0], "wide": whole[:1].expand(1, 4)},
        tmp_path / "w.pth",
    )
    found = read_torch_state(tmp_path / "w.pth")
    assert torch.equal(found["rows"], whole[1:])
    assert torch.equal(found["turned"], whole.T)


@pytest.mark.parametrize(
    "claim", [Claim(1, (1 << 28,), (0,)), Claim(1, (1 << 14, 1 << 14), (0, 0)), Claim(4, (1 << 20, 4), (0, 1))]
)
def test_values_that_share_their_bytes_are_refused(tmp_path, claim):
    stored = Member.stored(np.ones(claim.values, "<f4").tobytes())
    path = write_torch(tmp_path / "w.pth", {"a": claim}, {"0": stored})
    size = math.prod(claim.shape) * 4
    refused(path, rf"a of shape .* claims {size:,} bytes, of which {claim.values * 4} are stored: save it as")


def test_values_outside_of_their_storage_are_refused(tmp_path):
    for number, claim in enumerate([Claim(1, (2,), (1,)), Claim(1, (1,), (1,), offset=9), Claim(9, (9,), (1,))]):
        path = write_torch(tmp_path / f"{number}.pth", {"a": claim}, {"0": ONE})
        with pytest.raises(WeightsError, match=rf"{number}\.pth is truncated or damaged"):
            read_state(path)


def test_compressed_members_are_refused(tmp_path):
    path = write_torch(tmp_path / "w.pth", {"a": Claim(100 << 18, (100 << 18,), (1,))}, {"0": Member.zeros(100)})
    refused(path, r"its members claim 104,85\d,\d+ bytes, and the file has 104,285: they are compressed")


def test_a_compressed_pickle_is_refused(tmp_path):
    path = write_zip(tmp_path / "w.pth", {"a/version": Member.stored(b"3\n"), "a/data.pkl": Member.zeros(100)})
    refused(path, "its members claim 104,857,602 bytes")


def test_members_at_one_place_are_refused(tmp_path):
    stored = Member.stored(bytes(1 << 20))
    path = write_torch(
        tmp_path / "w.pth", {"a": Claim(1 << 18, (1 << 18,), (1,), storage="00")}, {"00": stored}, overlapping=5
    )
    refused(path, r"its members claim 6,\d+,\d+ bytes, and the file has 1,\d+,\d+: they are compressed, or share")


def test_calls_that_take_memory_are_refused(tmp_path):
    class Bytes:
        def __reduce__(self):
            return bytearray, (1 << 30,)

    refused(write_torch(tmp_path / "w.pth", {"a": Bytes()}, {"0": ONE}), r"it names \w+\.bytearray")
    torch.save({"a": Bytes()}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    refused(tmp_path / "old.pth", r"it names \w+\.bytearray")


@pytest.mark.parametrize(
    "value",
    [
        torch.eye(3).to_sparse(),
        torch.empty(1 << 40, device="meta"),
        np.array(["text"]),
    ],
)
def test_other_kinds_of_tensors_are_refused(tmp_path, value):
    torch.save({"a": value, "b": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match=r"it names torch\._utils\._rebuild|it holds more than tensors, arrays and numbers"
    ):
        read_state(tmp_path / "w.pth")


def test_files_beyond_the_budget_of_their_network_are_refused(tmp_path):
    torch.save(STATE, tmp_path / "w.pth")
    size = (tmp_path / "w.pth").stat().st_size
    for limit, message in ((size - 1, f"the file claims {size:,} bytes"), (size, None)):
        if message:
            with pytest.raises(BudgetError, match=message):
                read_torch_state(tmp_path / "w.pth", Budget(limit, "it is small"))
        else:
            assert set(read_torch_state(tmp_path / "w.pth", Budget(limit, ""))) == set(STATE)


def test_long_headers_of_safetensors_are_refused(tmp_path):
    (tmp_path / "w.safetensors").write_bytes((20 << 20).to_bytes(8, "little") + b"{" + b" " * (20 << 20))
    with (
        memory_below(40),
        pytest.raises(WeightsError, match="its header claims 20,971,520 bytes, more than the 16,777,216"),
    ):
        read_state(tmp_path / "w.safetensors")
    with pytest.raises(BudgetError, match="the file claims"):
        read_safetensors(tmp_path / "w.safetensors", Budget(1 << 20, "it is small"))
