from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from extractors.weights.content import WeightsError
from extractors.weights.formats import read_state
from extractors.weights.pretrained import build_inception
from extractors.weights.resolve import resolve_weights
from extractors.weights.tensorflowjs_files import MAX_JSON_BYTES, read_layers_model
from schemas.budget import Budget, BudgetError, weights_budget
from tests.support.keras_inception import named_arrays, standin_state
from tests.support.memory import memory_below

VALUES = np.array([[0.5, -1.0, 2.0]], np.float32)
LEVELS = np.array([0, 128, 255], np.uint8)
SPECS: list[dict[str, Any]] = [
    {"name": "a/kernel", "shape": [1, 3], "dtype": "float32"},
    {
        "name": "a/bias",
        "shape": [3],
        "dtype": "float32",
        "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.25},
    },
    {"name": "b", "shape": [], "dtype": "float32", "quantization": {"dtype": "uint16", "scale": 0.25, "min": 0.0}},
    {"name": "c", "shape": [2], "dtype": "float32", "quantization": {"dtype": "float16"}},
]
CONTENT = VALUES.tobytes() + LEVELS.tobytes() + np.uint16(1000).tobytes() + np.array([0.1, 3], np.float16).tobytes()


def write(folder: Path, specs: list[dict[str, Any]] = SPECS, content: bytes = CONTENT) -> Path:
    """A model of one group in two shards, cut within an array."""
    folder.mkdir(exist_ok=True)
    group = {"paths": ["group1-shard1of2", "group1-shard2of2"], "weights": specs}
    (folder / "model.json").write_text(json.dumps({"modelTopology": {}, "weightsManifest": [group]}))
    (folder / "group1-shard1of2").write_bytes(content[:14])
    (folder / "group1-shard2of2").write_bytes(content[14:])
    return folder


def test_arrays_of_every_type_are_read_across_shards(tmp_path: Path) -> None:
    arrays = read_layers_model(write(tmp_path), weights_budget())
    expected = {"a/kernel": VALUES, "a/bias": LEVELS * 0.5 - 1.25, "b": 250.0, "c": np.float16([0.1, 3])}
    assert set(arrays) == set(expected)
    for name, values in expected.items():
        assert arrays[name].dtype == torch.float32
        np.testing.assert_array_equal(arrays[name].numpy(), np.asarray(values, np.float32))


def test_an_inception_of_8_bits_is_a_network(tmp_path: Path) -> None:
    specs, pieces = [], []
    for name, array in named_arrays("{}/kernel", "{}/{}", first=1).items():
        values = array.numpy()
        scale, least = float(np.ptp(values)) / 255, float(values.min())
        quantization = {"dtype": "uint8", "scale": scale, "min": least}
        specs.append({"name": name, "shape": list(values.shape), "dtype": "float32", "quantization": quantization})
        pieces.append(np.rint((values - least) / scale).astype(np.uint8).tobytes())
    folder = write(tmp_path / "model", specs, b"".join(pieces))
    given = resolve_weights(str(folder), "frames")
    assert given is not None
    network, variant = build_inception(given)
    assert variant == "inception-keras"
    found, expected = network.Mixed_7c.branch_pool.conv.weight, standin_state()["Mixed_7c.branch_pool.conv.weight"]
    assert (found - expected).abs().max() <= np.ptp(expected.numpy()) / 255 * 0.51
    (folder / "group1-shard2of2").write_bytes(b"another")
    other = resolve_weights(str(folder), "frames")
    assert other is not None
    assert other.fingerprint != given.fingerprint  # shards are part of it
    with pytest.raises(WeightsError, match=r"names the files of its numbers: give its folder"):
        read_state(folder / "model.json")


def changed(**entries: object) -> Callable[[Path], object]:
    return lambda folder: write(folder, [{**SPECS[0], **entries}, *SPECS[1:]])


def group(**entries: object) -> Callable[[Path], object]:
    def harm(folder: Path) -> None:
        model = json.loads((folder / "model.json").read_text())
        model["weightsManifest"][0] |= entries
        (folder / "model.json").write_text(json.dumps(model))

    return harm


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "model.json").unlink(), "a folder without model.json"),
        (lambda folder: (folder / "model.json").write_text("{"), "not the description of a layers model"),
        (lambda folder: (folder / "model.json").write_text("[" * 100_000), "not the description of a layers model"),
        (lambda folder: (folder / "model.json").write_text('{"weightsManifest": [3]}'), "not the description"),
        (lambda folder: (folder / "group1-shard2of2").unlink(), "'group1-shard2of2' is not a file of the folder"),
        (lambda folder: (folder / "group1-shard2of2").write_bytes(b"1"), "have 15 bytes, their arrays 21: download"),
        (group(paths=["../group1-shard1of2"]), r"'\.\./group1-shard1of2' is not a file of the folder"),
        (group(paths=[7]), "not the description"),
        (group(weights=[*SPECS, SPECS[0]]), r"their arrays 33"),
        (changed(dtype="string"), "has type 'string'; supported is 'float32'"),
        (changed(quantization={"dtype": "uint4"}), "quantised as 'uint4'; supported are uint8, uint16, float16"),
        (changed(shape=[-1, 3]), r"has the shape \[-1, 3\]"),
        (changed(shape=[True, 3]), "has the shape"),
        (changed(name="b"), "array 'b' is there twice"),
        (changed(quantization={"dtype": "uint8"}, shape=[12]), "not the description of a layers model"),
        (
            changed(quantization={"dtype": "uint8", "scale": 1e39, "min": 0}, shape=[12]),
            "'a/kernel' has values that are not finite",
        ),
    ],
)
def test_damaged_and_harmful_models_are_refused(tmp_path: Path, harm: Callable[[Path], object], message: str) -> None:
    folder = write(tmp_path / "model")
    harm(folder)
    with pytest.raises(WeightsError, match=message):
        read_layers_model(folder, weights_budget())


def test_only_what_is_needed_is_read_and_charged(tmp_path: Path) -> None:
    folder = write(tmp_path)
    for name, values in (("a/kernel", VALUES), ("b", 250.0), ("c", np.float16([0.1, 3]))):
        arrays = read_layers_model(folder, Budget(12, "it is small"), is_needed=lambda other, name=name: other == name)
        assert set(arrays) == {name}
        np.testing.assert_array_equal(arrays[name].numpy(), np.asarray(values, np.float32))
    assert read_layers_model(folder, Budget(0, "it is empty"), is_needed=lambda name: False) == {}


def test_claims_are_charged_before_anything_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path, [{**SPECS[0], "shape": [1 << 20, 1 << 20]}])
    with memory_below(50), pytest.raises(BudgetError, match="claims 4,398,046,511,104 bytes"):
        read_layers_model(folder, weights_budget())
    with pytest.raises(BudgetError, match="more than the 20 allowed"):
        read_layers_model(write(tmp_path), Budget(20, "it is small"))
    with (folder / "model.json").open("wb") as file:
        file.truncate(MAX_JSON_BYTES + 1)
    with pytest.raises(BudgetError, match=r"model\.json claims"):
        read_layers_model(folder, weights_budget())
