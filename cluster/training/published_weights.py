"""Reads public weights of clip classifiers from a URI, as arrays by their names in the file.

In: a path or URI. Out: the arrays for `classifiers.weights.published_clips.fill`. The format is detected from the
content, since public names are ambiguous (`model?raw=true`): PyTorch (a state dict, or a training state with one),
safetensors, HDF5 as written by Keras, and TensorFlow checkpoints, in one file or by the prefix of several. Only tensors
and numbers are unpickled, and no more is read than a budget allows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from cluster.storage import files
from cluster.storage.download import open_uri
from cluster.storage.redaction import redacted_uri
from extractors.weights.content import Hdf5Error, WeightsError, damage_of, foreign_content
from extractors.weights.formats import DAMAGE
from extractors.weights.hdf5_file import read_arrays
from extractors.weights.protobuf_wire import WireError
from extractors.weights.tensorflow_bundle import read_bundle, shard_names
from extractors.weights.tensorflow_files import TABLE_MAGIC, Constants, read_checkpoint
from extractors.weights.torch_files import read_safetensors, read_torch_state
from schemas.budget import Budget, BudgetError, weights_budget

INDEX_SUFFIX = ".index"
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
TORCH_SIGNATURES = (b"PK\x03\x04", b"\x80")  # a ZIP archive; before version 1.6 a pickle
TABLE_END = TABLE_MAGIC.to_bytes(8, "little")
FORMATS = "PyTorch, safetensors, HDF5 (Keras) and TensorFlow checkpoints"

Arrays = dict[str, Tensor]


def read_published(uri: str, budget: Budget | None = None) -> Arrays:
    """All arrays of the weights at `uri`. By default, the budget is that of any network.

    Raises:
        WeightsError: for missing or damaged weights, for an unknown format, and for more than the budget.
    """
    shown = redacted_uri(uri)
    budget = budget or weights_budget()
    try:
        if (prefix := _checkpoint_prefix(uri)) is not None:
            return _read_checkpoint_files(prefix, budget)
        if files.is_local(uri):
            return _read_file(Path(files.local_path(uri)), budget)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "weights"
            with open_uri(uri) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            return _read_file(path, budget)
    except (OSError, files.StorageError, Hdf5Error, WeightsError, WireError, BudgetError) as error:
        raise WeightsError(f"weights {shown!r} cannot be used: {error}") from error


def _checkpoint_prefix(uri: str) -> str | None:
    """The prefix of a TensorFlow checkpoint in several files, by itself or by its index file; None for other files."""
    if uri.endswith(INDEX_SUFFIX):
        return uri.removesuffix(INDEX_SUFFIX)
    return uri if "?" not in uri and not files.exists(uri) and files.exists(uri + INDEX_SUFFIX) else None


def _read_checkpoint_files(prefix: str, budget: Budget) -> Arrays:
    index = files.read_bytes(prefix + INDEX_SUFFIX)
    shards = []
    for name in shard_names(prefix, index):
        shards.append(files.read_bytes(name))
        budget.spend(name, len(shards[-1]))
    return _tensors(read_bundle(index, shards))


def _read_file(path: Path, budget: Budget) -> Arrays:
    if path.is_dir():
        raise WeightsError(
            "it is a folder without a checkpoint: give a file, or finish the training that is to write it"
        )
    problem = foreign_content(path)
    if problem:
        raise WeightsError(f"the file {problem}")
    with path.open("rb") as file:
        start = file.read(16)
        file.seek(0, 2)
        file.seek(max(0, file.tell() - len(TABLE_END)))
        end = file.read()
    reader: Callable[[Path, Budget], Arrays]
    if start.startswith(HDF5_SIGNATURE):
        reader = read_arrays
    elif start[8:9] == b"{":  # after the header's length, whose first byte may be any
        reader = read_safetensors
    elif start.startswith(TORCH_SIGNATURES):
        reader = read_torch_state
    elif end == TABLE_END:
        reader = _read_checkpoint_file
    else:
        raise WeightsError(f"its format is unknown; supported are {FORMATS}")
    try:
        return reader(path, budget)
    except (Hdf5Error, WeightsError, WireError, BudgetError):
        raise
    except DAMAGE as error:
        raise WeightsError(f"the file {damage_of(path, error)}") from error


def _read_checkpoint_file(path: Path, budget: Budget) -> Arrays:
    budget.allow("the file", path.stat().st_size)
    return _tensors(read_checkpoint(path.read_bytes()))


def _tensors(constants: Constants) -> Arrays:
    return {name: torch.from_numpy(array.copy()) for name, array in constants.items()}
