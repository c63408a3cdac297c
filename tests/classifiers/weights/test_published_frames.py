from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from classifiers.choices import NSFW, is_published
from classifiers.inference.clip_classifier import clip_model_of
from classifiers.weights.published_frames import CLASSES, KIND, read_published_frames
from extractors.networks.inception import inception_keras
from extractors.weights.content import WeightsError
from extractors.weights.keras_inception import inception_state
from extractors.weights.tensorflowjs_package import read_package_model
from extractors.weights.weight_sets import WEIGHT_SETS
from schemas.budget import weights_budget
from tests.support.npm_package import FOLDER, SIXTEENTHS, package_bytes, small_arrays, write_package


def test_the_name_is_that_of_a_known_set() -> None:
    (known,) = [entry for entry in WEIGHT_SETS if entry.name == NSFW]
    assert (known.kind, known.npm) == (KIND, "nsfwjs@4.4.0")
    assert is_published(NSFW)
    assert is_published(f"folder/{known.file_name}")
    assert not is_published("folder/checkpoint")


def test_a_package_is_a_checkpoint_that_gives_what_its_layers_give(tmp_path: Path) -> None:
    package = write_package(tmp_path / "small.tgz")
    checkpoint = read_published_frames(str(package))
    config = checkpoint.config
    assert (config.class_names, config.task, config.options["dense"]) == (CLASSES, "single-label", (16, 8))
    assert len(config.weights_sha256) == 64
    arrays = read_package_model(package, FOLDER, weights_budget())
    network = inception_keras(SIXTEENTHS).eval()
    network.load_state_dict(
        {key: value for key, value in inception_state(arrays).items() if not key.startswith("fc.")}, strict=False
    )
    frames = torch.randint(0, 256, (2, 1, 299, 299, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        values = network.forward_features(frames[:, 0].permute(0, 3, 1, 2).float() / 127.5 - 1)
        for number in (1, 2, 3):
            values = F.relu(values) if number > 1 else values
            values = values @ arrays[f"dense_{number}/kernel"] + arrays[f"dense_{number}/bias"]
        found = clip_model_of(checkpoint).eval()(frames)
    torch.testing.assert_close(found, values, rtol=1e-4, atol=1e-4)


def test_other_networks_are_refused(tmp_path: Path) -> None:
    package = tmp_path / "other.tgz"
    package.write_bytes(package_bytes(small_arrays(outputs=4)))
    with pytest.raises(WeightsError, match="its last layer has 4 outputs"):
        read_published_frames(str(package))
    package.write_bytes(package_bytes({"dense_1/kernel": torch.zeros(2, 5), "dense_1/bias": torch.zeros(5)}))
    with pytest.raises(WeightsError, match="is no package with a classifier of 5 classes: it has 0 layers"):
        read_published_frames(str(package))


def test_a_missing_package_says_what_to_fetch_and_its_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WeightsError) as caught:
        read_published_frames(NSFW)
    message = str(caught.value)
    assert f"npm pack nsfwjs@4.4.0 --pack-destination {tmp_path / 'cache'}" in message
    assert "MIT" in message
    assert "random:SEED" not in message
    (tmp_path / "cache").mkdir()
    write_package(tmp_path / "cache" / "nsfwjs-4.4.0.tgz")
    with pytest.raises(WeightsError, match="is not the file of 'inception-nsfw'"):
        read_published_frames(NSFW)
