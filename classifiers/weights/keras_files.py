"""Reading of dense classifiers saved by Keras as `.h5` files.

In: the path of a file in one of three layouts. Out: a `DenseClassifier` whose softmax or sigmoid gives the results of
Keras.

| written by                   | paths of the arrays of layer L     |
|------------------------------|------------------------------------|
| Keras 2, `save_weights`      | `L/L/kernel:0`                     |
| Keras 2 and 3, `save`        | `model_weights/L/L/kernel`         |
| Keras 3, `save_weights`      | `layers/dense_3/vars/0`            |

Layers are matched by the shape of their kernel and, for equal shapes, by their order in the file; their names are
arbitrary. A file written by `save` includes a description of the network, which must match the model
(`keras_network`) and says in which order the features are concatenated. In other files rgb must come first. Keras
writes layers of one depth in this order, and a file with those of audio first is refused.

Files may be untrusted (`hdf5_file`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifiers.feature_models.dense import DenseClassifier
from classifiers.feature_models.registry import build_model, model_config, model_entry
from classifiers.weights.keras_network import takes_audio_first
from extractors.weights.hdf5_file import DAMAGE, find_array, find_group, has, values
from extractors.weights.hdf5_storage import claimed_bytes
from schemas.budget import Budget, unpacked_budget

MAX_LAYERS = 64


class KerasFileError(ValueError):
    """A Keras file cannot be used; the message names the file, the reason and what is accepted."""


@dataclass(frozen=True, eq=False)
class KerasLayer:
    """A Dense layer: kernel (inputs, outputs) and bias (outputs,), float32."""

    name: str
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


def load_keras_file(
    path: Path,
    *,
    name: str,
    rgb_dim: int = 1024,
    audio_dim: int = 128,
    options: Mapping[str, object] | None = None,
) -> DenseClassifier:
    """Read a file into the dense classifier `name`; the file determines the number of classes.

    Raises:
        KerasFileError: if the file is damaged, or has another network.
        ValueError: if the name or an option is unknown, or the model is not a dense classifier.
    """
    config = model_config(name, options)
    if model_entry(name).model is not DenseClassifier:
        raise ValueError(f"model {name!r} is not a dense classifier; Keras files are supported for those alone")
    try:
        with h5py.File(path, "r") as file:
            description = file.attrs.get("model_config")
            layers = _read_layers(file, unpacked_budget(path.stat().st_size))
        is_audio_first = None
        if description is not None:
            is_audio_first = takes_audio_first(description, activation=config.activation, inputs=(rgb_dim, audio_dim))
        classes = len(layers[-1].bias)
        model = build_model(name, num_classes=classes, rgb_dim=rgb_dim, audio_dim=audio_dim, options=options)
        assert isinstance(model, DenseClassifier)
        model.load_state_dict(_matched(model, layers, is_audio_first=is_audio_first))
    except DAMAGE as error:
        raise KerasFileError(f"{path} is not a usable Keras file of model {name!r}: {error}") from error
    return model


def _read_layers(file: h5py.File, budget: Budget) -> list[KerasLayer]:
    """The Dense layers in the order of the file."""
    if has(file, "layers") and "layer_names" not in file.attrs:
        found = _layers_by_number(find_group(file, "layers"))
    else:
        root = find_group(file, "model_weights") if has(file, "model_weights") else file
        if "layer_names" not in root.attrs:
            raise KerasFileError("it has neither layer_names nor layers, so it is not a weights file of Keras")
        found = _layers_by_name(root)
    layers = []
    for name, kernel, bias in found:
        if kernel.ndim != 2 or bias.shape != kernel.shape[1:]:
            shapes = f"{kernel.shape} and {bias.shape}"
            raise KerasFileError(f"layer {name!r} has arrays of shapes {shapes}, not the kernel and bias of a Dense")
        budget.spend(f"layer {name!r} of shape {kernel.shape}", claimed_bytes(kernel) + claimed_bytes(bias))
        layers.append(KerasLayer(name, values(kernel), values(bias)))
    if not layers:
        raise KerasFileError("it has no layer with weights")
    return layers


def _layers_by_name(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset, h5py.Dataset]]:
    for name in _texts(root, "layer_names"):
        group = find_group(root, name)
        paths = {path.rsplit("/", 1)[-1].removesuffix(":0"): path for path in _texts(group, "weight_names")}
        if not paths:
            continue  # inputs, dropout, concatenation
        if set(paths) != {"kernel", "bias"}:
            raise KerasFileError(f"layer {name!r} has weights {', '.join(sorted(paths))}; a Dense has kernel and bias")
        yield name, find_array(group, paths["kernel"]), find_array(group, paths["bias"])


def _layers_by_number(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset, h5py.Dataset]]:
    for name in sorted(root, key=_natural):
        arrays = find_group(find_group(root, name), "vars")
        if not len(arrays):
            continue
        if set(arrays) != {"0", "1"}:
            raise KerasFileError(f"layer {name!r} has {len(arrays)} arrays; a Dense has kernel and bias")
        yield name, find_array(arrays, "0"), find_array(arrays, "1")


def _natural(name: str) -> tuple[str, int]:
    """A sort key for the names that Keras gives to layers: `dense`, `dense_1`, … `dense_10`."""
    match = re.fullmatch(r"(.*?)(?:_(\d{1,9}))?", name, re.DOTALL)
    assert match
    return match[1], int(match[2] or 0)


def _texts(group: h5py.Group, attribute: str) -> list[str]:
    if attribute not in group.attrs:
        raise KerasFileError(f"{group.name} has no attribute {attribute}")
    count = math.prod(group.attrs.get_id(attribute).shape)
    if count > MAX_LAYERS:  # each may be as long as the file
        raise KerasFileError(f"attribute {attribute} of {group.name} has {count:,} texts, at most {MAX_LAYERS}")
    values = np.asarray(group.attrs[attribute]).reshape(-1)
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _matched(model: DenseClassifier, layers: list[KerasLayer], *, is_audio_first: bool | None) -> dict[str, Tensor]:
    """The state of the model: each linear layer takes the file's first unused layer of its shape.

    is_audio_first  the order in the concatenation; None if it is unknown
    """
    linear_layers, unused = list(_linear_layers(model, is_audio_first=bool(is_audio_first))), list(layers)
    state: dict[str, Tensor] = {}
    branches: dict[str, int] = {}  # the place in the file of the last layer of each branch
    for key, module in linear_layers:
        shape = (module.in_features, module.out_features)
        match = next((layer for layer in unused if layer.kernel.shape == shape), None)
        if match is not None:
            unused.remove(match)
            branches[key.split(".")[0]] = layers.index(match)
            state[f"{key}.weight"] = torch.from_numpy(match.kernel.T.copy())
            state[f"{key}.bias"] = torch.from_numpy(match.bias.copy())
    if unused or len(state) < 2 * len(linear_layers):
        expected = ", ".join(f"{layer.in_features} x {layer.out_features}" for _, layer in linear_layers)
        found = ", ".join(f"{layer.name} {layer.kernel.shape[0]} x {layer.kernel.shape[1]}" for layer in layers)
        raise KerasFileError(f"the model has layers {expected}; the file has {found}")
    if is_audio_first is None and branches.get("audio", math.inf) < branches.get("rgb", -1):
        raise KerasFileError(
            "its layers of audio come before those of rgb, and probably so in the concatenation, which a file of "
            "weights alone does not say: save the whole model with model.save('NAME.h5')"
        )
    if is_audio_first:
        joint = next(f"{key}.weight" for key, _ in linear_layers if key.startswith(("shared", "head")))
        audio_width = _width(model.audio, model.audio_dim)
        state[joint] = torch.cat([state[joint][:, audio_width:], state[joint][:, :audio_width]], dim=1)
    return state


def _width(branch: nn.Module, input_width: int) -> int:
    """The width of what a branch contributes to the concatenation."""
    return [input_width, *(module.out_features for module in branch.modules() if isinstance(module, nn.Linear))][-1]


def _linear_layers(model: DenseClassifier, *, is_audio_first: bool) -> Iterator[tuple[str, nn.Linear]]:
    """The linear layers with their keys, in the order of computation."""
    branches = ("audio", "rgb") if is_audio_first else ("rgb", "audio")
    for part in (*branches, "shared", "head"):
        for key, module in model.get_submodule(part).named_modules(prefix=part):
            if isinstance(module, nn.Linear):
                yield key, module
