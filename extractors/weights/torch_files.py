"""State dicts in files of PyTorch, without what wrappers of a model put into their keys.

In: the path of a file: a state dict, or a training checkpoint with one, in either of PyTorch's formats; or safetensors.
Out: tensors by key. PyTorch files are loaded with `weights_only=True`: nothing but tensors, NumPy's arrays and numbers,
and Python's plain values is unpickled. Before that, their pickles are scanned (`torch_pickles`) and their members
measured. Only tensors are taken whose values are all stored: strides of 0 make any number of them out of a few bytes.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from extractors.weights.content import ZIP_MAGIC, WeightsError
from extractors.weights.torch_pickles import check_pickle, refusal
from schemas.budget import Budget, BudgetError, weights_budget

StateDict = dict[str, Tensor]

# Where training checkpoints keep the state dict of the model.
STATE_KEYS = ("state_dict", "model_state_dict", "model")
# What DataParallel puts before keys; what torch.compile, FSDP and activation checkpointing put into them.
INNER_WRAPPERS = r"(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
WRAPPERS = re.compile(rf"^(?:module\.|{INNER_WRAPPERS})+|(?<=\.){INNER_WRAPPERS}")
LEGACY_PICKLES = 5  # before the values, in files of PyTorch before version 1.6
PLAIN = (bool, int, float, str, bytes, NoneType, np.generic)  # beside tensors: numbers of the training
MAX_LISTED = 5
MAX_HEADER_BYTES = 16 << 20  # of a .safetensors file; it is JSON, which takes many times its size


def read_torch_state(path: Path, budget: Budget | None = None) -> StateDict:
    """The state dict of a PyTorch file; of a training checkpoint, the one in it.

    Raises:
        WeightsError: if the file contains more than plain tensors, arrays and numbers.
        BudgetError: if it claims more than the budget, by default that of any network.
    """
    budget = budget or weights_budget()
    state = load_torch(path, budget)
    if isinstance(state, dict):
        state = next((state[key] for key in STATE_KEYS if isinstance(state.get(key), dict)), state)
    if not isinstance(state, dict):
        raise WeightsError(f"it contains {type(state).__name__}, not a state dict of tensors")
    tensors = {
        key: stored_tensor(str(key), value, budget)
        for key, value in state.items()
        if isinstance(value, Tensor | np.ndarray)
    }
    others = [
        key
        for key, value in state.items()
        if not isinstance(key, str) or (key not in tensors and not isinstance(value, PLAIN))
    ]
    if others or not tensors:
        listed = ", ".join(map(str, others[:MAX_LISTED])) or "nothing"
        raise WeightsError(f"it contains a dict with {listed}, not a state dict of tensors")
    return unwrapped(tensors)


def load_torch(path: Path, budget: Budget | None = None) -> Any:
    """What a PyTorch file contains: tensors, arrays and numbers of NumPy, and plain values of Python.

    Raises:
        WeightsError: if it contains anything else.
        BudgetError: if the file is larger than the budget, by default that of any network.
    """
    size_bytes = path.stat().st_size
    (budget or weights_budget()).allow("the file", size_bytes)
    with path.open("rb") as file:
        is_archive = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    if is_archive:
        _check_archive(path, size_bytes)
    else:
        _check_legacy(path, size_bytes)
    # Pickles refer to NumPy's module by its name before or after NumPy 2.
    multiarray = np._core.multiarray  # type: ignore[attr-defined]
    names = [
        (function, f"numpy.{core}.multiarray.{function.__name__}")
        for function in (multiarray._reconstruct, multiarray.scalar)
        for core in ("core", "_core")
    ]
    kinds = [type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd"]
    try:
        with torch.serialization.safe_globals([*names, np.ndarray, np.dtype, *kinds]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise refusal("it holds more than tensors, arrays and numbers") from error


def stored_tensor(name: str, value: Any, budget: Budget) -> Tensor:
    """A tensor, or an array as one, whose values are all stored; charged to the budget, and not copied.

    Raises:
        WeightsError: if it is of another kind: sparse, quantised, without values, or with values that share bytes.
    """
    if isinstance(value, np.ndarray) and value.flags.forc and value.dtype.kind in "biuf":
        value = torch.as_tensor(value)
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_quantized or value.is_meta:
        raise WeightsError(f"{name} is no plain array of numbers: save it as a dense tensor")
    size_bytes, stored_bytes = value.numel() * value.element_size(), value.untyped_storage().nbytes()
    if size_bytes > stored_bytes:
        raise WeightsError(
            f"{name} of shape {tuple(value.shape)} claims {size_bytes:,} bytes, of which {stored_bytes:,} are stored: "
            "save it as value.contiguous()"
        )
    budget.spend(f"{name} of shape {tuple(value.shape)}", size_bytes)
    return value


def read_safetensors(path: Path, budget: Budget | None = None) -> StateDict:
    """The tensors of a .safetensors file."""
    check_safetensors(path, budget or weights_budget())
    return unwrapped(load_file(path))


def check_safetensors(path: Path, budget: Budget) -> None:
    """Raise `BudgetError` for a file, or a header in it, of an excessive size; what it declares lies in the file."""
    budget.allow("the file", path.stat().st_size)
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
    if header_bytes > MAX_HEADER_BYTES:
        raise BudgetError(
            f"its header claims {header_bytes:,} bytes, more than the {MAX_HEADER_BYTES:,} allowed: save it again"
        )


def unwrapped(state: Mapping[str, Tensor]) -> StateDict:
    """A state dict without what wrappers of the model put into its keys."""
    found = {WRAPPERS.sub("", key): value for key, value in state.items()}
    if len(found) < len(state):
        raise WeightsError("it has arrays that differ by the prefix of a wrapper alone, such as module.")
    return found


def _check_archive(path: Path, size_bytes: int) -> None:
    """Refuse members that unpack to more than the file has, by the reader that torch itself uses."""
    reader = torch._C.PyTorchFileReader(str(path))
    claimed_bytes = sum(map(reader.get_record_size, reader.get_all_records()))
    if claimed_bytes > size_bytes:
        raise WeightsError(
            f"its members claim {claimed_bytes:,} bytes, and the file has {size_bytes:,}: they are compressed, or "
            "share bytes. Save it again with torch.save, which does neither"
        )
    check_pickle(io.BytesIO(reader.get_record("data.pkl")))


def _check_legacy(path: Path, size_bytes: int) -> None:
    """Scan the pickles of a file from before PyTorch 1.6."""
    with path.open("rb") as file:
        for _ in range(LEGACY_PICKLES):
            try:
                check_pickle(file)
            except WeightsError:
                raise
            except ValueError as error:
                raise EOFError("it ends early") from error
            if file.tell() == size_bytes:
                break
