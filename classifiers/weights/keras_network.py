"""The network that a Keras file describes, compared with a dense classifier: what shapes of weights cannot tell.

In: the text of `model_config`, Keras 2 or 3. Every layer must be of a kind that dense classifiers have, every hidden
Dense must have the model's activation, and the concatenation must take pictures before sound: a file that differs would
load and give other numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

KINDS = ("InputLayer", "Dense", "Dropout", "Concatenate")
OUTPUT_ACTIVATIONS = ("softmax", "sigmoid", "linear")


def check_network(description: str | bytes, *, activation: str, inputs: tuple[int, int]) -> None:
    """Check the description against a model's activation and the widths of its inputs, pictures and sound.

    Raises:
        ValueError: with everything that differs.
    """
    layers = _layers(json.loads(description))
    kinds = {layer["class_name"] for layer in layers}
    problems = [f"a layer is of kind {kind}; known are {', '.join(KINDS)}" for kind in sorted(kinds - set(KINDS))]
    dense = [layer["config"] for layer in layers if layer["class_name"] == "Dense"]
    for position, config in enumerate(dense):
        allowed = OUTPUT_ACTIVATIONS if position == len(dense) - 1 else (activation,)
        if config["activation"] not in allowed:
            found, names = config["activation"], " or ".join(allowed)
            problems.append(f"layer {config['name']!r} has activation {found!r}; the model's is {names}")
    by_name = {layer["config"]["name"]: layer for layer in layers}
    for layer in layers:
        if layer["class_name"] == "Concatenate":
            widths = tuple(_input_width(source, by_name) for source in _sources(layer["inbound_nodes"]))
            if widths != inputs:
                problems.append(f"it concatenates what comes of inputs of widths {widths}; the model does of {inputs}")
    if problems:
        raise ValueError("; ".join(problems))


def _layers(description: Any) -> list[dict[str, Any]]:
    try:
        config = description["config"]
        layers = config["layers"] if isinstance(config, dict) else config  # a Sequential of old is a list
        for layer in layers:
            if not isinstance(layer["class_name"], str) or not isinstance(layer["config"]["name"], str):
                raise TypeError
            if layer["class_name"] == "Dense" and not isinstance(layer["config"]["activation"], str):
                raise TypeError
            if layer["class_name"] == "Concatenate" and not isinstance(layer["inbound_nodes"], list):
                raise TypeError
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("its model_config is not a description of a Keras model") from error
    return list(layers)


def _sources(nodes: object) -> Iterator[str]:
    """Names of the layers that `inbound_nodes` take their tensors from, in order."""
    if isinstance(nodes, dict) and "keras_history" in nodes:  # Keras 3
        yield str(nodes["keras_history"][0])
    elif isinstance(nodes, dict):
        for value in nodes.values():
            yield from _sources(value)
    elif isinstance(nodes, list) and len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
        yield nodes[0]  # Keras 2: name, node, tensor
    elif isinstance(nodes, list):
        for value in nodes:
            yield from _sources(value)


def _input_width(name: str, layers: Mapping[str, dict[str, Any]]) -> int | None:
    """The width of the one input that feeds layer `name`; None where there is no such input."""
    for _ in layers:  # a chain is no longer than the network, also where it runs in a circle
        layer = layers.get(name)
        if layer is None:
            return None
        if layer["class_name"] == "InputLayer":
            shape = layer["config"].get("batch_shape", layer["config"].get("batch_input_shape"))
            return shape[-1] if isinstance(shape, list) and shape and isinstance(shape[-1], int) else None
        sources = list(_sources(layer.get("inbound_nodes", [])))
        if len(sources) != 1:
            return None
        name = sources[0]
    return None
