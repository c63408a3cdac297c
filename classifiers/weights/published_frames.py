"""Published classifiers of pictures, by name or by the path of their file, as checkpoints of `inception-v3`.

| name             | file                                   | classes                               |
|------------------|----------------------------------------|---------------------------------------|
| `inception-nsfw` | the package nsfwjs of npm (`npm pack`) | drawing, hentai, neutral, porn, sexy  |

`inception-nsfw` is a Keras Inception v3, trained on ImageNet and fine-tuned on five classes of pictures, in 8 bits
(`dist/models/inception_v3` of the package); its arrays are read by `extractors.weights.keras_inception`, and dense
layers become stages of the model, the last one its head. Source: github.com/infinitered/nsfwjs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, zeros

from classifiers.choices import NSFW, SINGLE_LABEL
from classifiers.clip_models.base import HEAD
from classifiers.clip_models.inception_v3 import InceptionV3Config
from classifiers.weights.checkpoint import CLIP, Checkpoint, CheckpointConfig
from extractors.weights.archive import ArchiveError
from extractors.weights.content import WeightsError
from extractors.weights.keras_inception import inception_state
from extractors.weights.resolve import OpenUri, open_http, resolve_weights
from extractors.weights.tensorflowjs_package import read_package_model
from extractors.weights.weight_sets import Kind
from schemas.budget import BudgetError, weights_budget
from schemas.clips import ClipInput

KIND: Kind = "frame-classes"
FOLDER = "dist/models/inception_v3"
CLASSES = ("drawing", "hentai", "neutral", "porn", "sexy")
VIEWS = 10  # frames of a video that is not looked at all through
DENSE = re.compile(r"dense_(\d+)/kernel")
FIRST_KERNELS = "conv2d_1/kernel"


def read_published_frames(place: str, open_uri: OpenUri = open_http) -> Checkpoint:
    """The classifier of a name, or of a package at a path or URI.

    Raises:
        WeightsError: if it is not there, damaged, or of other layers; the message of a missing one says what to fetch.
    """
    resolved = resolve_weights(place, KIND, open_uri=open_uri)
    assert resolved is not None
    assert resolved.path is not None  # no random ones
    try:
        arrays = read_package_model(Path(resolved.path), FOLDER, weights_budget())
        state, config = _checkpoint(arrays)
    except (WeightsError, ArchiveError, BudgetError) as error:
        raise WeightsError(f"{place} is no package with a classifier of {len(CLASSES)} classes: {error}") from error
    return Checkpoint(
        CheckpointConfig(
            model="inception-v3",
            options={"dense": config.dense, "width_factor": config.width_factor},
            num_classes=len(CLASSES),
            class_names=CLASSES,
            class_indices=tuple(range(len(CLASSES))),
            rgb_dim=0,
            audio_dim=0,
            level=CLIP,
            task=SINGLE_LABEL,
            input_columns=(),
            feature_fingerprint={},
            temperature=1.0,
            metrics={},
            training={"published as": NSFW},
            seed=0,
            clips=ClipInput(format=config.clip_format(), sampling={"placement": "equal", "views": VIEWS}),
            weights_sha256=resolved.sha256,
        ),
        state,
    )


def _checkpoint(arrays: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], InceptionV3Config]:
    """The state dict of the model, and its configuration."""
    trunk = {key: value for key, value in inception_state(arrays).items() if not key.startswith("fc.")}
    state = {f"trunk.inception.network.{key}": value for key, value in trunk.items()}
    for key in trunk:
        if key.endswith(".running_mean"):
            state[f"trunk.inception.network.{key.removesuffix('running_mean')}num_batches_tracked"] = zeros(()).long()
    numbers = sorted(int(match[1]) for match in map(DENSE.fullmatch, arrays) if match)
    for number in numbers:
        layer = HEAD if number == numbers[-1] else f"trunk.dense_{number}.linear"
        kernel, bias = arrays[f"dense_{number}/kernel"], arrays.get(f"dense_{number}/bias")
        if kernel.ndim != 2 or bias is None:
            raise WeightsError(f"dense_{number} is no dense layer with a bias")
        state[f"{layer}.weight"], state[f"{layer}.bias"] = kernel.T.contiguous(), bias
    outputs = len(state[f"{HEAD}.bias"]) if numbers else 0
    if outputs != len(CLASSES):
        raise WeightsError(f"its last layer has {outputs} outputs")
    dense = tuple(len(state[f"trunk.dense_{number}.linear.bias"]) for number in numbers[:-1])
    try:
        return state, InceptionV3Config(dense=dense, width_factor=arrays[FIRST_KERNELS].shape[-1] / 32)
    except (KeyError, ValueError) as error:
        raise WeightsError(f"its layers are not those of Inception v3: {error}") from error
