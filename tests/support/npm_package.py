"""Packages of npm with a layers model of TensorFlow.js in 8 bits, written as nsfwjs has them, of a small network."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from extractors.networks.inception import inception_keras
from extractors.weights.pretrained import random_state
from tests.support.tars import tar_bytes

FOLDER = "dist/models/inception_v3"
BEFORE = (
    '!function(a){if("object"==typeof exports&&"undefined"!=typeof module)module.exports=a();else{this.model=a()}}'
    "(function(){return function a(n,i,e){function t(o,s){var c=i[o]={exports:{}};n[o][0].call(c.exports,function(a)"
    "{return t(n[o][1][a]||a)},c,c.exports,a,n,i,e)}return t}({1:[function(a,n,i){n.exports="
)
AFTER = "},{}]},{},[1])(1)});"
SIXTEENTHS = 1  # of the network's width
DENSE = (16, 8, 5)


def literal(value: Any) -> str:
    """A value as a minifier writes it: fields without quotes, `!0` and `!1`, numbers without their zero."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(literal, value)) + "]"
    if isinstance(value, bool):
        return "!0" if value else "!1"
    text = json.dumps(value)
    return text.replace("0.", ".", 1) if text.removeprefix("-").startswith("0.") else text


def small_arrays(seed: int = 0, outputs: int = DENSE[-1]) -> dict[str, Tensor]:
    """The arrays of a narrow network with dense layers, which takes pixels in [0, 1], by their names in Keras."""
    network = inception_keras(SIXTEENTHS)
    state = random_state(network, seed)
    convolutions = [key.removesuffix(".conv.weight") for key in state if key.endswith(".conv.weight")]
    arrays: dict[str, Tensor] = {}
    for number, name in enumerate(convolutions, 1):
        kernel = state[f"{name}.conv.weight"]
        mean = state[f"{name}.bn.running_mean"] if number > 1 else 0.5 * kernel.sum((1, 2, 3))
        arrays[f"conv2d_{number}/kernel"] = kernel.permute(2, 3, 1, 0)
        arrays[f"batch_normalization_{number}/beta"] = state[f"{name}.bn.bias"]
        arrays[f"batch_normalization_{number}/moving_mean"] = mean
        arrays[f"batch_normalization_{number}/moving_variance"] = state[f"{name}.bn.running_var"]
    width = network.config.width(2048)
    draw = torch.Generator().manual_seed(seed)
    for number, units in enumerate((*DENSE[:-1], outputs), 1):
        arrays[f"dense_{number}/kernel"] = torch.randn(width, units, generator=draw) * (2 / width) ** 0.5
        arrays[f"dense_{number}/bias"] = torch.randn(units, generator=draw) / 10
        width = units
    return arrays


def in_8_bits(array: Tensor) -> tuple[dict[str, Any], bytes]:
    """The quantisation of an array, and its numbers."""
    values = array.numpy()
    least, scale = float(values.min()), max(float(np.ptp(values)) / 255, 1e-8)
    numbers = np.rint((values - least) / scale).astype(np.uint8)
    return {"dtype": "uint8", "min": least, "scale": scale}, numbers.tobytes()


def package_bytes(arrays: Mapping[str, Tensor], **changes: str) -> bytes:
    """A package whose shards are cut anywhere; `changes` are other contents of its modules, by the start of a name."""
    specs, content = [], b""
    for name, array in arrays.items():
        quantization, numbers = in_8_bits(array)
        specs.append({"name": name, "shape": list(array.shape), "dtype": "float32", "quantization": quantization})
        content += numbers
    cut = len(content) // 3
    shards = {"group1-shard1of2": content[:cut], "group1-shard2of2": content[cut:]}
    layers = [{"class_name": "Dense", "config": {"name": "dense_3", "trainable": False, "use_bias": True, "rate": 0.5}}]
    model = {
        "modelTopology": {"layers": layers, "about": 'a text with "quotes", name:1 and .5'},
        "weightsManifest": [{"paths": list(shards), "weights": specs}],
    }
    modules = {"model": literal(model)}
    modules |= {name: literal(base64.b64encode(part).decode()) for name, part in shards.items()}
    texts = {name: changes.get(name.split("-")[0], BEFORE + value + AFTER) for name, value in modules.items()}
    others = [("package/dist/models/mobilenet_v2/model.min.js", b"another"), ("package/LICENSE", b"MIT License")]
    members = [*others, *((f"package/{FOLDER}/{name}.min.js", text.encode()) for name, text in texts.items())]
    return gzip.compress(tar_bytes(members), 1, mtime=0)


def write_package(path: Path, seed: int = 0) -> Path:
    """A package with a small network of five classes."""
    path.write_bytes(package_bytes(small_arrays(seed)))
    return path
