"""Model 5 as Keras saves it: stand-in weights and batches of the parity fixtures, written in Keras's layouts."""

import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import torch

from classifiers.feature_models.dense import DenseClassifier
from classifiers.feature_models.registry import build_model

PARITY = Path(__file__).resolve().parents[1] / "fixtures" / "parity"
SIZES = {"video_dense": (1024, 220), "audio_dense": (128, 65), "joint_dense": (285, 60)}
OURS = {"video_dense": "rgb.0", "audio_dense": "audio.0", "joint_dense": "shared.0", "classes": "head"}
Weights = dict[str, np.ndarray]


@cache
def weights(classes: int) -> Weights:
    """Arrays by `layer/kernel` and `layer/bias`, each drawn from its key."""
    arrays = {}
    for layer, (inputs, outputs) in {**SIZES, "classes": (60, classes)}.items():
        for key, shape, scale in (
            (f"{layer}/kernel", (inputs, outputs), np.sqrt(2 / inputs)),
            (f"{layer}/bias", outputs, 0.1),
        ):
            draws = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape)
            arrays[key] = (draws * scale).astype(np.float32)
    return arrays


def expected(classes: int) -> Mapping[str, np.ndarray]:
    with np.load(PARITY / f"dense_m5_c{classes}.npz") as arrays:
        return dict(arrays)


def batch(seed: int, count: int, classes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Picture means, sound means and classes, as the fixtures draw them."""
    rng = np.random.default_rng(seed)
    rgb = rng.uniform(-1, 1, (count, 1024)).astype(np.float32)
    audio = rng.uniform(-1, 1, (count, 128)).astype(np.float32)
    return torch.from_numpy(rgb), torch.from_numpy(audio), torch.from_numpy(rng.integers(0, classes, count))


def model_5(classes: int) -> DenseClassifier:
    """Our model 5 with those weights; no dropout, as the expected losses were taken without."""
    model = build_model("dense-5", num_classes=classes, options={"input_dropout": 0.0})
    assert isinstance(model, DenseClassifier)
    state = {}
    for key, array in weights(classes).items():
        layer, kind = key.split("/")
        name = f"{OURS[layer]}.weight" if kind == "kernel" else f"{OURS[layer]}.bias"
        state[name] = torch.from_numpy(array.T.copy() if kind == "kernel" else array)
    model.load_state_dict(state)
    return model


def write_by_name(
    path: Path, arrays: Weights, *, root: str = "/", suffix: str = "", description: str | None = None
) -> None:
    """Keras 2's `save_weights` (`suffix` ":0"), or `save` (`root` "model_weights")."""
    layers = list(dict.fromkeys(key.split("/")[0] for key in arrays))
    with h5py.File(path, "w") as file:
        if description is not None:
            file.attrs["model_config"] = description
        group = file.require_group(root)
        group.attrs["layer_names"] = [name.encode() for name in ("mean_rgb", *layers)]
        group.create_group("mean_rgb").attrs["weight_names"] = np.zeros(0)
        for layer in layers:
            names = [f"{key}{suffix}" for key in arrays if key.startswith(f"{layer}/")]
            group.create_group(layer).attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                group[layer][name] = arrays[name.removesuffix(suffix) if suffix else name]


def write_by_number(path: Path, arrays: Weights) -> None:
    """Keras 3's `save_weights`."""
    layers = list(dict.fromkeys(key.split("/")[0] for key in arrays))
    with h5py.File(path, "w") as file:
        file.create_group("layers/dropout/vars")
        for position, layer in enumerate(layers):
            name = f"dense_{position}" if position else "dense"
            file[f"layers/{name}/vars/0"] = arrays[f"{layer}/kernel"]
            file[f"layers/{name}/vars/1"] = arrays[f"{layer}/bias"]
