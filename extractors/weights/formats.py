"""Weight files in their published formats, to state dicts with this package's keys.

In: the path of a file or folder. Out: {key: float32 tensor}; keys are those of the PyTorch checkpoints (`InceptionV3`,
`VGGish`), without what wrappers of a model put into them.

| suffix | content | public file |
|---|---|---|
| .pth, .pt | PyTorch state dict, or a training checkpoint with one | torchvision, pytorch-fid, torchvggish |
| .safetensors | state dict without pickle | written by this package |
| .tgz, .tar.gz | archive with `classify_image_graph_def.pb` | inception-2015-12-05.tgz |
| .pb | the frozen graph alone | |
| .ckpt | TensorFlow checkpoint in one file | vggish_model.ckpt |
| .h5 | Inception v3 of Keras 2 or 3 (`keras_inception`) | keras-applications |
| a folder | Inception v3 as a layers model of TensorFlow.js, also in 8 bits: `model.json` and shards | |

Nothing but tensors, arrays and plain values is unpickled (`torch_files`), and TensorFlow is not needed. A file takes no
more memory than its network accounts for (`schemas.budget`), whatever it claims.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from extractors.weights.archive import ArchiveError, read_members
from extractors.weights.content import Hdf5Error, WeightsError, damage_of, foreign_content
from extractors.weights.keras_inception import inception_state, is_of_layer
from extractors.weights.protobuf_wire import WireError
from extractors.weights.tensorflow_files import Constants, read_checkpoint, read_graph_constants
from extractors.weights.tensorflowjs_files import MODEL_FILE, read_layers_model
from extractors.weights.torch_files import StateDict, read_safetensors, read_torch_state
from schemas.budget import Budget, BudgetError, weights_budget

GRAPH_MEMBER = "classify_image_graph_def.pb"
FOLDER = MODEL_FILE

# What libraries raise for damaged files; torch's reader of old files runs into any of those in the second line.
DAMAGE = (
    *(SafetensorError, RuntimeError, EOFError, OSError),
    *(struct.error, LookupError, ValueError, TypeError, AttributeError, AssertionError, MemoryError, OverflowError),
)


def read_state(path: Path, budget: Budget | None = None) -> StateDict:
    """Read a weight file; its suffix determines the format. By default, the budget is that of any network.

    Raises:
        WeightsError: if the suffix is unknown, the file is damaged, it contains more than plain tensors, or claims more
            than the budget.
    """
    problem = foreign_content(path)
    if problem:
        raise WeightsError(f"{path} {problem}")
    if path.name == MODEL_FILE:
        raise WeightsError(f"weights file {path} names the files of its numbers: give its folder, {path.parent}")
    suffix = FOLDER if path.is_dir() else next((suffix for suffix in READERS if path.name.endswith(suffix)), None)
    if suffix is None:
        raise WeightsError(f"weights file {path} has an unknown suffix; accepted are {', '.join(READERS)}")
    try:
        return READERS[suffix](path, budget or weights_budget())
    except Hdf5Error as error:
        raise WeightsError(str(error)) from error
    except (WeightsError, BudgetError) as error:
        raise WeightsError(f"{path} is not a usable {suffix} weights file: {error}") from error
    except (ArchiveError, WireError) as error:
        raise WeightsError(
            f"{path} is not a usable {suffix} weights file: {error} ({path.stat().st_size:,} bytes; a truncated file "
            "has to be downloaded or copied again)"
        ) from error
    except DAMAGE as error:
        raise WeightsError(f"{path} {damage_of(path, error)}") from error


def _read_graph_archive(path: Path, budget: Budget) -> StateDict:
    graph = read_members(path, [GRAPH_MEMBER], limit_bytes=budget.limit_bytes)[GRAPH_MEMBER]
    return inception_state_from_graph(read_graph_constants(graph))


def _read_graph(path: Path, budget: Budget) -> StateDict:
    return inception_state_from_graph(read_graph_constants(_content(path, budget)))


def _read_checkpoint(path: Path, budget: Budget) -> StateDict:
    return vggish_state_from_checkpoint(read_checkpoint(_content(path, budget)))


def _read_keras(path: Path, budget: Budget) -> StateDict:
    from extractors.weights.hdf5_file import read_arrays  # h5py is needed for these files alone

    return inception_state(read_arrays(path, budget, is_needed=is_of_layer))


def _read_tensorflowjs(path: Path, budget: Budget) -> StateDict:
    return inception_state(read_layers_model(path, budget, is_needed=is_of_layer))


def _content(path: Path, budget: Budget) -> bytes:
    budget.allow("the file", path.stat().st_size)
    return path.read_bytes()


READERS: dict[str, Callable[[Path, Budget], StateDict]] = {
    ".safetensors": read_safetensors,
    ".pth": read_torch_state,
    ".pt": read_torch_state,
    ".tgz": _read_graph_archive,
    ".tar.gz": _read_graph_archive,
    ".pb": _read_graph,
    ".ckpt": _read_checkpoint,
    ".h5": _read_keras,
    FOLDER: _read_tensorflowjs,
}

# The frozen graph's names by block. In the graph, a `tower` is a branch and `conv_N` its N-th additional convolution.
_STEM = {
    "conv": "Conv2d_1a_3x3",
    "conv_1": "Conv2d_2a_3x3",
    "conv_2": "Conv2d_2b_3x3",
    "conv_3": "Conv2d_3b_1x1",
    "conv_4": "Conv2d_4a_3x3",
}
_GRID_35 = {
    "conv": "branch1x1",
    "tower/conv": "branch5x5_1",
    "tower/conv_1": "branch5x5_2",
    "tower_1/conv": "branch3x3dbl_1",
    "tower_1/conv_1": "branch3x3dbl_2",
    "tower_1/conv_2": "branch3x3dbl_3",
    "tower_2/conv": "branch_pool",
}
_TO_17 = {
    "conv": "branch3x3",
    "tower/conv": "branch3x3dbl_1",
    "tower/conv_1": "branch3x3dbl_2",
    "tower/conv_2": "branch3x3dbl_3",
}
_GRID_17 = {
    "conv": "branch1x1",
    "tower/conv": "branch7x7_1",
    "tower/conv_1": "branch7x7_2",
    "tower/conv_2": "branch7x7_3",
    "tower_1/conv": "branch7x7dbl_1",
    "tower_1/conv_1": "branch7x7dbl_2",
    "tower_1/conv_2": "branch7x7dbl_3",
    "tower_1/conv_3": "branch7x7dbl_4",
    "tower_1/conv_4": "branch7x7dbl_5",
    "tower_2/conv": "branch_pool",
}
_TO_8 = {
    "tower/conv": "branch3x3_1",
    "tower/conv_1": "branch3x3_2",
    "tower_1/conv": "branch7x7x3_1",
    "tower_1/conv_1": "branch7x7x3_2",
    "tower_1/conv_2": "branch7x7x3_3",
    "tower_1/conv_3": "branch7x7x3_4",
}
_GRID_8 = {
    "conv": "branch1x1",
    "tower/conv": "branch3x3_1",
    "tower/mixed/conv": "branch3x3_2a",
    "tower/mixed/conv_1": "branch3x3_2b",
    "tower_1/conv": "branch3x3dbl_1",
    "tower_1/conv_1": "branch3x3dbl_2",
    "tower_1/mixed/conv": "branch3x3dbl_3a",
    "tower_1/mixed/conv_1": "branch3x3dbl_3b",
    "tower_2/conv": "branch_pool",
}
_BLOCKS = {
    "mixed": ("Mixed_5b", _GRID_35),
    "mixed_1": ("Mixed_5c", _GRID_35),
    "mixed_2": ("Mixed_5d", _GRID_35),
    "mixed_3": ("Mixed_6a", _TO_17),
    "mixed_4": ("Mixed_6b", _GRID_17),
    "mixed_5": ("Mixed_6c", _GRID_17),
    "mixed_6": ("Mixed_6d", _GRID_17),
    "mixed_7": ("Mixed_6e", _GRID_17),
    "mixed_8": ("Mixed_7a", _TO_8),
    "mixed_9": ("Mixed_7b", _GRID_8),
    "mixed_10": ("Mixed_7c", _GRID_8),
}
INCEPTION_GRAPH_LAYERS: dict[str, str] = _STEM | {
    f"{block}/{branch}": f"{ours}.{layer}"
    for block, (ours, branches) in _BLOCKS.items()
    for branch, layer in branches.items()
}
_NORM_ENTRIES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
VGGISH_CHECKPOINT_LAYERS: dict[str, str] = {
    "vggish/conv1": "features.0",
    "vggish/conv2": "features.3",
    "vggish/conv3/conv3_1": "features.6",
    "vggish/conv3/conv3_2": "features.8",
    "vggish/conv4/conv4_1": "features.11",
    "vggish/conv4/conv4_2": "features.13",
    "vggish/fc1/fc1_1": "embeddings.0",
    "vggish/fc1/fc1_2": "embeddings.2",
    "vggish/fc2": "embeddings.4",
}


def inception_state_from_graph(constants: Constants) -> StateDict:
    """Constants of the 2015-12-05 graph by `InceptionV3`'s keys; kernels from H, W, in, out to out, in, H, W."""
    state: StateDict = {}
    for theirs, ours in INCEPTION_GRAPH_LAYERS.items():
        state[f"{ours}.conv.weight"] = _kernel(_named(constants, f"{theirs}/conv2d_params"))
        for entry, key in _NORM_ENTRIES.items():
            state[f"{ours}.bn.{key}"] = _tensor(_named(constants, f"{theirs}/batchnorm/{entry}"))
    state["fc.weight"] = _tensor(_named(constants, "softmax/weights").T)
    state["fc.bias"] = _tensor(_named(constants, "softmax/biases"))
    return state


def vggish_state_from_checkpoint(variables: Constants) -> StateDict:
    """Variables of AudioSet's checkpoint by `VGGish`'s keys."""
    state: StateDict = {}
    for theirs, ours in VGGISH_CHECKPOINT_LAYERS.items():
        weight = _named(variables, f"{theirs}/weights")
        state[f"{ours}.weight"] = _kernel(weight) if weight.ndim == 4 else _tensor(weight.T)
        state[f"{ours}.bias"] = _tensor(_named(variables, f"{theirs}/biases"))
    return state


def _named(constants: Constants, name: str) -> np.ndarray:
    if name not in constants:
        found = ", ".join(sorted(constants)[:5]) or "no float32 constants"
        raise WeightsError(f"the TensorFlow file has no {name!r}; it has {found}, … ({len(constants)} in total)")
    return constants[name]


def _kernel(array: np.ndarray) -> Tensor:
    if array.ndim != 4:
        raise WeightsError(f"a convolution kernel has shape {array.shape}; it must have four dimensions")
    return _tensor(array.transpose(3, 2, 0, 1))


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
