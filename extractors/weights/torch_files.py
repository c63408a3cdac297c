"""State dicts in files of PyTorch, without what wrappers of a model put into their keys.

In: the path of a file: a state dict, or a training checkpoint with one, in either of PyTorch's formats; or safetensors.
Out: tensors by key. PyTorch files are loaded with `weights_only=True`: nothing but tensors, NumPy's arrays and numbers,
and Python's plain values is unpickled.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from extractors.weights.content import WeightsError

StateDict = dict[str, Tensor]

# Where training checkpoints keep the state dict of the model.
STATE_KEYS = ("state_dict", "model_state_dict", "model")
# What DataParallel puts before keys; what torch.compile, FSDP and activation checkpointing put into them.
INNER_WRAPPERS = r"(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
WRAPPERS = re.compile(rf"^(?:module\.|{INNER_WRAPPERS})+|(?<=\.){INNER_WRAPPERS}")
LEGACY_PICKLES = 5  # before the values, in files of PyTorch before version 1.6
PLAIN = (bool, int, float, str, bytes, NoneType, np.generic)  # beside tensors: numbers of the training
MAX_LISTED = 5


def read_torch_state(path: Path) -> StateDict:
    """The state dict of a PyTorch file; of a training checkpoint, the one in it.

    Raises:
        WeightsError: if the file contains more than plain tensors, arrays and numbers.
    """
    state = load_torch(path)
    if isinstance(state, dict):
        state = next((state[key] for key in STATE_KEYS if isinstance(state.get(key), dict)), state)
    if not isinstance(state, dict):
        raise WeightsError(f"it contains {type(state).__name__}, not a state dict of tensors")
    tensors = {key: torch.as_tensor(value) for key, value in state.items() if isinstance(value, Tensor | np.ndarray)}
    others = [
        key
        for key, value in state.items()
        if not isinstance(key, str) or (key not in tensors and not isinstance(value, PLAIN))
    ]
    if others or not tensors:
        listed = ", ".join(map(str, others[:MAX_LISTED])) or "nothing"
        raise WeightsError(f"it contains a dict with {listed}, not a state dict of tensors")
    return unwrapped(tensors)


def load_torch(path: Path) -> Any:
    """What a PyTorch file contains: tensors, arrays and numbers of NumPy, and plain values of Python.

    Raises:
        WeightsError: if it contains anything else.
    """
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
        if not zipfile.is_zipfile(path) and _ends_within_pickle(path):
            raise EOFError("it ends early") from error
        raise WeightsError(
            "it is not a plain PyTorch state dict. Loading it would run code from the file, which is always refused. "
            "Load it in an environment you trust and save `model.state_dict()` instead"
        ) from error


def read_safetensors(path: Path) -> StateDict:
    """The tensors of a .safetensors file."""
    return unwrapped(load_file(path))


def unwrapped(state: Mapping[str, Tensor]) -> StateDict:
    """A state dict without what wrappers of the model put into its keys."""
    found = {WRAPPERS.sub("", key): value for key, value in state.items()}
    if len(found) < len(state):
        raise WeightsError("it has arrays that differ by the prefix of a wrapper alone, such as module.")
    return found


def _ends_within_pickle(path: Path) -> bool:
    """Whether a file of pickles, which are only scanned, ends or breaks off within one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for _ in range(LEGACY_PICKLES):
            try:
                for _ in pickletools.genops(file):
                    pass
            except ValueError:
                return True
            if file.tell() == size:
                break
    return False
