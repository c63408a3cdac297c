"""Small checkpoints with known weights, written the way training writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from classifiers.feature_models.registry import build_model
from classifiers.weights.checkpoint import Checkpoint, CheckpointConfig, read_checkpoint, write_checkpoint
from cluster.storage import files
from schemas.features import AUDIO_DIM
from tests.support.features import DIM, FINGERPRINT


def trained(
    model: str = "dense-5",
    *,
    classes: int = 6,
    indices: Sequence[int] | None = None,
    rgb_dim: int = DIM,
    seed: int = 0,
    task: str = "single-label",
    temperature: float = 1.0,
    fingerprint: Mapping[str, str] = FINGERPRINT,
    bias: Sequence[float] | None = None,
) -> Checkpoint:
    """A checkpoint with weights drawn by `seed`; with `bias`, a logistic model that says that of every video."""
    torch.manual_seed(seed)
    network = build_model(model, num_classes=classes, rgb_dim=rgb_dim, audio_dim=AUDIO_DIM)
    if bias is not None:
        with torch.no_grad():
            network.get_parameter("head.weight").zero_()
            network.get_parameter("head.bias").copy_(torch.tensor(bias))
    config = CheckpointConfig(
        model=model,
        options={},
        num_classes=classes,
        class_names=tuple(f"Class {place}" for place in range(classes)),
        class_indices=tuple(indices if indices is not None else range(10, 10 + classes)),
        rgb_dim=rgb_dim,
        audio_dim=AUDIO_DIM,
        level=network.level,
        task=task,
        input_columns=("mean_rgb", "mean_audio"),
        feature_fingerprint=fingerprint,
        temperature=temperature,
        metrics={},
        training={},
        seed=seed,
    )
    return read_checkpoint(write_checkpoint(Checkpoint(config, network.state_dict())))


def write_trained(folder: object, checkpoint: Checkpoint) -> str:
    """Write a checkpoint to a folder or URI, which is returned."""
    for name, content in write_checkpoint(checkpoint).items():
        files.write_bytes(files.join(str(folder), name), content)
    return str(folder)
