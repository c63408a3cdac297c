from __future__ import annotations

import json
from typing import Any

import pytest

from classifiers.weights.keras_network import takes_audio_first


def layer(kind: str, name: str, *sources: str, **config: Any) -> dict[str, Any]:
    """A layer as Keras 2 describes it."""
    inbound = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": inbound}


def network(order: tuple[str, str] = ("rgb_drop", "audio_drop"), activation: str = "tanh") -> str:
    layers = [
        layer("InputLayer", "rgb", batch_input_shape=[None, 1024]),
        layer("InputLayer", "audio", batch_input_shape=[None, 128]),
        layer("Dense", "rgb_dense", "rgb", activation="tanh"),
        layer("Dense", "audio_dense", "audio", activation=activation),
        layer("Dropout", "rgb_drop", "rgb_dense"),
        layer("Dropout", "audio_drop", "audio_dense"),
        layer("Concatenate", "both", *order),
        layer("Dense", "classes", "both", activation="sigmoid"),
    ]
    return json.dumps({"class_name": "Model", "config": {"name": "m", "layers": layers}})


def check(description: str) -> bool:
    return takes_audio_first(description, activation="tanh", inputs=(1024, 128))


def test_a_network_of_keras_2_passes_in_either_order() -> None:
    assert not check(network())
    assert check(network(("audio_drop", "rgb_drop")))


def test_inputs_of_one_width_are_rgb_and_audio() -> None:
    description = network(("audio_drop", "rgb_drop")).replace("[null, 1024]", "[null, 128]")
    assert not takes_audio_first(description, activation="tanh", inputs=(128, 128))


def test_all_differences_are_reported_together() -> None:
    with pytest.raises(ValueError, match="'audio_dense' has activation 'relu'") as caught:
        check(network(("audio_drop", "audio_drop"), "relu"))
    assert "widths (128, 128); the model's are (1024, 128)" in str(caught.value)


def test_a_cyclic_network_is_refused() -> None:
    layers = [layer("Dropout", "a", "b"), layer("Dropout", "b", "a"), layer("Concatenate", "c", "a", "nowhere")]
    with pytest.raises(ValueError, match=r"widths \(None, None\)"):
        check(json.dumps({"config": {"layers": layers}}))


def test_the_layer_list_of_an_old_sequential_is_read() -> None:
    layers = [layer("Dense", "hidden", activation="tanh"), layer("Dense", "classes", activation="softmax")]
    check(json.dumps({"class_name": "Sequential", "config": layers}))
    layers.append(layer("BatchNormalization", "norm"))
    with pytest.raises(ValueError, match="kind BatchNormalization"):
        check(json.dumps({"class_name": "Sequential", "config": layers}))
