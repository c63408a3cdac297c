from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from classifiers.weights.keras_files import KerasFileError, load_keras_file
from tests.classifiers.weights import test_keras_network as described
from tests.support import keras_models

FIXTURES = Path(__file__).parents[2] / "fixtures" / "keras"
SMALL = {"rgb_hidden": [6], "audio_hidden": [3], "shared_hidden": [5]}
LAYOUTS: dict[str, Callable[[Path, keras_models.Weights], None]] = {
    "keras2": lambda path, arrays: keras_models.write_by_name(path, arrays, suffix=":0"),
    "keras3": lambda path, arrays: keras_models.write_by_name(path, arrays, root="model_weights"),
    "keras3-weights": keras_models.write_by_number,
}
ONE = torch.ones(8, dtype=torch.int64)


def small(path: Path) -> torch.nn.Module:
    return load_keras_file(path, name="dense-5", rgb_dim=12, audio_dim=4, options=SMALL)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("classes", "seed"), [(10, 510), (20, 520), (50, 550)])
def test_probabilities_equal_those_of_keras(tmp_path: Path, layout: str, classes: int, seed: int) -> None:
    LAYOUTS[layout](tmp_path / "m.h5", keras_models.weights(classes))
    model = load_keras_file(tmp_path / "m.h5", name="dense-5").eval()
    rgb, audio, _ = keras_models.batch(seed, 8, classes)
    probabilities = model(rgb, audio, ONE).softmax(1).detach().numpy()
    np.testing.assert_allclose(probabilities, keras_models.expected(classes)["probs"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["small.h5", "small.weights.h5"])
def test_files_written_by_keras_are_read(name: str) -> None:
    with np.load(FIXTURES / "expected.npz") as arrays:
        rgb, audio = torch.from_numpy(arrays["rgb"]), torch.from_numpy(arrays["audio"])
        probabilities = small(FIXTURES / name).eval()(rgb, audio, ONE[:7]).softmax(1).detach().numpy()
        np.testing.assert_allclose(probabilities, arrays["probabilities"], rtol=0, atol=1e-6)


def test_audio_before_rgb_is_known_from_the_description() -> None:
    with np.load(FIXTURES / "audio_first.npz") as arrays:
        rgb, audio = torch.from_numpy(arrays["rgb"]), torch.from_numpy(arrays["audio"])
        probabilities = small(FIXTURES / "audio_first.h5").eval()(rgb, audio, ONE[:7]).softmax(1).detach().numpy()
        np.testing.assert_allclose(probabilities, arrays["probabilities"], rtol=0, atol=1e-6)


def test_audio_before_rgb_without_hidden_layers_of_their_own(tmp_path: Path) -> None:
    layers = [
        described.layer("InputLayer", "rgb", batch_input_shape=[None, 12]),
        described.layer("InputLayer", "audio", batch_input_shape=[None, 4]),
        described.layer("Concatenate", "both", "audio", "rgb"),
        described.layer("Dense", "classes", "both", activation="softmax"),
    ]
    rng = np.random.default_rng(0)
    kernel, bias = rng.random((16, 3), np.float32), rng.random(3, np.float32)
    arrays = {"classes/kernel": kernel, "classes/bias": bias}
    description = json.dumps({"class_name": "Model", "config": {"name": "m", "layers": layers}})
    keras_models.write_by_name(tmp_path / "m.h5", arrays, root="model_weights", description=description)
    model = load_keras_file(tmp_path / "m.h5", name="logistic", rgb_dim=12, audio_dim=4).eval()
    rgb, audio = rng.random((8, 12), np.float32), rng.random((8, 4), np.float32)
    logits = model(torch.from_numpy(rgb), torch.from_numpy(audio), ONE).detach().numpy()
    np.testing.assert_allclose(logits, np.hstack([audio, rgb]) @ kernel + bias, rtol=1e-5)


def test_audio_before_rgb_is_refused_without_a_description(tmp_path: Path) -> None:
    with pytest.raises(KerasFileError, match=r"layers of audio come before those of rgb.*model\.save\('NAME\.h5'\)"):
        small(FIXTURES / "audio_first.weights.h5")
    arrays = keras_models.weights(10)
    swapped = {key: arrays[key] for key in sorted(arrays, key=lambda key: not key.startswith("audio"))}
    for layout in LAYOUTS.values():
        layout(tmp_path / "m.h5", swapped)
        with pytest.raises(KerasFileError, match="layers of audio come before"):
            load_keras_file(tmp_path / "m.h5", name="dense-5")


def test_every_dense_model_loads_its_own_layers(tmp_path: Path) -> None:
    # 60 classes: the last two layers of model 6 have one shape, and the order must tell them apart.
    rng = np.random.default_rng(0)
    sizes = {"a": (1024, 220), "b": (128, 65), "c": (285, 60), "d": (60, 60), "e": (60, 60)}
    arrays = {}
    for layer, shape in sizes.items():
        arrays |= {f"{layer}/kernel": rng.random(shape, np.float32), f"{layer}/bias": rng.random(shape[1], np.float32)}
    keras_models.write_by_name(tmp_path / "m.h5", arrays)
    state = load_keras_file(tmp_path / "m.h5", name="dense-6").state_dict()
    assert np.array_equal(state["shared.2.weight"].numpy(), arrays["d/kernel"].T)
    assert np.array_equal(state["head.weight"].numpy(), arrays["e/kernel"].T)


def test_another_network_is_refused_with_both_lists(tmp_path: Path) -> None:
    LAYOUTS["keras3"](tmp_path / "m.h5", keras_models.weights(10))
    with pytest.raises(KerasFileError, match="1152 x 108, 108 x 10; the file has video_dense 1024 x 220"):
        load_keras_file(tmp_path / "m.h5", name="dense-1")
    with pytest.raises(ValueError, match="is not a dense classifier"):
        load_keras_file(tmp_path / "m.h5", name="lstm")
    extra = {**keras_models.weights(10), "x/kernel": np.ones((60, 10), np.float32), "x/bias": np.ones(10, np.float32)}
    LAYOUTS["keras3"](tmp_path / "more.h5", extra)
    with pytest.raises(KerasFileError, match="x 60 x 10"):
        load_keras_file(tmp_path / "more.h5", name="dense-5")


def test_the_network_description_must_match_the_model(tmp_path: Path) -> None:
    with h5py.File(FIXTURES / "small.h5") as file:
        description = file.attrs["model_config"]
    assert isinstance(description, str)
    path = tmp_path / "m.h5"
    path.write_bytes((FIXTURES / "small.h5").read_bytes())
    for found, instead, message in (
        ('"tanh"', '"relu"', "activation 'relu'; the model's is tanh"),
        ('"Dropout"', '"GaussianNoise"', "kind GaussianNoise"),
        ('"batch_shape": [null, 12]', '"batch_shape": [null, 4]', r"widths \(4, 4\)"),
    ):
        assert found in description
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = description.replace(found, instead)
        with pytest.raises(KerasFileError, match=message):
            small(path)
    for text in ("[" * 100_000, "{}", json.dumps({"config": {"layers": [3]}}), "no json"):
        with h5py.File(path, "r+") as file:
            del file.attrs["model_config"]
            file.attrs.create("model_config", text[:60_000])
        with pytest.raises(KerasFileError):
            small(path)


def replaced(path: Path, change: Callable[[h5py.Group, h5py.Dataset], None]) -> None:
    """A good file whose first kernel something has happened to."""
    LAYOUTS["keras3"](path, keras_models.weights(10))
    with h5py.File(path, "r+") as file:
        group = file["model_weights/video_dense/video_dense"]
        kernel = group["kernel"]
        file.move("model_weights/video_dense/video_dense/kernel", "aside")
        change(group, kernel)


def external_link(group: h5py.Group, kernel: h5py.Dataset) -> None:
    group["kernel"] = h5py.ExternalLink("other.h5", "kernel")


def soft_link(group: h5py.Group, kernel: h5py.Dataset) -> None:
    group["kernel"] = h5py.SoftLink("/aside")


def external_storage(group: h5py.Group, kernel: h5py.Dataset) -> None:
    group.create_dataset("kernel", (1024, 220), "f4", external=[("other.bin", 0, h5py.h5f.UNLIMITED)])


def virtual(group: h5py.Group, kernel: h5py.Dataset) -> None:
    layout = h5py.VirtualLayout((1024, 220), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "kernel", (1024, 220))
    group.create_virtual_dataset("kernel", layout)


def huge(group: h5py.Group, kernel: h5py.Dataset) -> None:
    group.create_dataset("kernel", (1 << 40, 220), "f4", chunks=(1024, 220))


def of_text(group: h5py.Group, kernel: h5py.Dataset) -> None:
    group.create_dataset("kernel", (1024, 220), h5py.string_dtype())


def nothing(group: h5py.Group, kernel: h5py.Dataset) -> None:
    pass


def a_group(group: h5py.Group, kernel: h5py.Dataset) -> None:
    group.create_group("kernel")


def not_finite(group: h5py.Group, kernel: h5py.Dataset) -> None:
    group["kernel"] = np.full((1024, 220), np.nan, np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external_link, "is a link"),
        (soft_link, "is a link"),
        (external_storage, "is stored in another file"),
        (virtual, "is stored in another file"),
        (huge, "more than"),
        (of_text, "not floating point"),
        (nothing, "is missing"),
        (a_group, "is not an array"),
        (not_finite, "not finite"),
    ],
)
def test_hostile_arrays_are_refused(
    tmp_path: Path, change: Callable[[h5py.Group, h5py.Dataset], None], message: str
) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:  # it is there, and would fit
        file["kernel"] = keras_models.weights(10)["video_dense/kernel"]
    replaced(tmp_path / "m.h5", change)
    with pytest.raises(KerasFileError, match=message):
        load_keras_file(tmp_path / "m.h5", name="dense-5")


def test_groups_that_are_links_are_refused(tmp_path: Path) -> None:
    LAYOUTS["keras3"](tmp_path / "other.h5", keras_models.weights(10))
    LAYOUTS["keras3-weights"](tmp_path / "numbers.h5", keras_models.weights(10))
    for name, other in (("model_weights", "other.h5"), ("layers", "numbers.h5")):
        with h5py.File(tmp_path / "m.h5", "w") as file:
            file[name] = h5py.ExternalLink(str(tmp_path / other), name)
        with pytest.raises(KerasFileError, match="is a link"):
            load_keras_file(tmp_path / "m.h5", name="dense-5")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    good = (FIXTURES / "small.h5").read_bytes()
    path = tmp_path / "m.h5"
    for content in (b"", b"no hdf5", good[:100], good[: len(good) // 2], good[:-1000]):
        path.write_bytes(content)
        with pytest.raises(KerasFileError, match="is not a usable Keras file"):
            small(path)
    with pytest.raises(KerasFileError):
        small(tmp_path / "missing.h5")
    rng = np.random.default_rng(3)
    for _ in range(150):  # a changed byte gives an error of ours or a model, nothing else
        damaged = bytearray(good)
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(KerasFileError):
            small(path)
