"""The network description in a Keras file, checked beyond the shapes of the weights.

In: the text of `model_config`, Keras 2 or 3. Every layer of a dense classifier must be of a kind that those have, and
every hidden Dense layer must have the model's activation: otherwise the weights would load and give wrong results.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

KINDS = ("InputLayer", "Dense", "Dropout", "Concatenate")
OUTPUT_ACTIVATIONS = ("softmax", "sigmoid", "linear")


def takes_audio_first(description: str | bytes, *, activation: str, inputs: tuple[int, int]) -> bool:
    """Check the description against a model's activation and the widths of its inputs, rgb and audio.

    Returns whether audio comes before rgb in the concatenation.

    Raises:
        ValueError: with all differences.
    """
    layers = _layers(json.loads(description))
    kinds = {layer["class_name"] for layer in layers}
    problems = [f"a layer is of kind {kind}; supported are {', '.join(KINDS)}" for kind in sorted(kinds - set(KINDS))]
    dense = [layer["config"] for layer in layers if layer["class_name"] == "Dense"]
    for position, config in enumerate(dense):
        allowed = OUTPUT_ACTIVATIONS if position == len(dense) - 1 else (activation,)
        if config["activation"] not in allowed:
            found, names = config["activation"], " or ".join(allowed)
            problems.append(f"layer {config['name']!r} has activation {found!r}; the model's is {names}")
    is_audio_first = False
    by_name = {layer["config"]["name"]: layer for layer in layers}
    for layer in layers:
        if layer["class_name"] == "Concatenate":
            widths = tuple(_input_width(source, by_name) for source in _sources(layer["inbound_nodes"]))
            is_audio_first = widths == inputs[::-1] != inputs
            if widths not in (inputs, inputs[::-1]):
                problems.append(f"it concatenates branches of inputs of widths {widths}; the model's are {inputs}")
    if problems:
        raise ValueError("; ".join(problems))
    return is_audio_first


def _layers(description: Any) -> list[dict[str, Any]]:
    try:
        config = description["config"]
        layers = config["layers"] if isinstance(config, dict) else config  # an old Sequential is a list
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
    """The names of the layers in `inbound_nodes`, in order."""
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
    """The width of the only input of layer `name`, through any chain of layers; None if there is none."""
    for _ in layers:  # bounds the chain, which may be circular in a malicious file
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
