"""Small lip readers with weights drawn by a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import torch

from classifiers.lip_models.registry import build_lip_model
from classifiers.text.alphabet import LIPNET_ALPHABET, Alphabet
from classifiers.weights.checkpoint import Checkpoint, CheckpointConfig, read_checkpoint, write_checkpoint

OPTIONS: dict[str, object] = {"width_factor": 0.05, "height": 24, "width": 48}


def trained_lips(
    model: str = "lipnet-keras",
    alphabet: Alphabet = LIPNET_ALPHABET,
    *,
    options: Mapping[str, object] = OPTIONS,
    seed: int = 0,
    **changes: Any,
) -> Checkpoint:
    """A checkpoint of a narrow network; `changes` of its configuration."""
    torch.manual_seed(seed)
    network = build_lip_model(model, num_classes=alphabet.num_outputs, options=options)
    config = CheckpointConfig(
        model=model,
        options=asdict(network.config),
        num_classes=alphabet.num_outputs,
        class_names=(),
        class_indices=(),
        rgb_dim=0,
        audio_dim=0,
        level="lip",
        task="transcription",
        input_columns=(),
        feature_fingerprint={},
        lips=network.lip_input,
        alphabet=alphabet,
        temperature=1.0,
        metrics={},
        training={},
        seed=seed,
    )
    checkpoint = Checkpoint(replace(config, **changes), network.state_dict())
    return read_checkpoint(write_checkpoint(checkpoint))
