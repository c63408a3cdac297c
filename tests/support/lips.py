"""Small lip readers with weights drawn by a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.data.lip_frames import lip_preprocess
from classifiers.inference.lip_reader import lip_model_of
from classifiers.lip_models.registry import build_lip_model
from classifiers.text.alphabet import LIPNET_ALPHABET, Alphabet
from classifiers.weights.checkpoint import Checkpoint, CheckpointConfig, read_checkpoint, write_checkpoint
from cluster.storage import files
from extractors.faces.crops import fixed_crop
from schemas.lips import FIXED, FIXED_SIZE, UNIT

OPTIONS: dict[str, object] = {"width_factor": 0.05, "height": 24, "width": 48}
CLIPS = 10  # to which a head is fitted
SIGNS = Alphabet(("a", "b", " "), blank=3)


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


def write_lips(folder: object, checkpoint: Checkpoint) -> str:
    """Write a checkpoint to a folder, which is returned."""
    for name, content in write_checkpoint(checkpoint).items():
        files.write_bytes(files.join(str(folder), name), content)
    return str(folder)


def fixed_lips(alphabet: Alphabet = SIGNS, *, seed: int = 0, width_factor: float = 0.03) -> Checkpoint:
    """A checkpoint of a narrow network that takes the mouth from its place in the GRID corpus."""
    options = {"width_factor": width_factor, "height": FIXED_SIZE[0], "width": FIXED_SIZE[1], "normalisation": UNIT}
    made = trained_lips(alphabet=alphabet, seed=seed, options=options)
    assert made.config.lips is not None
    config = replace(made.config, lips=replace(made.config.lips, crop=FIXED))
    return read_checkpoint(write_checkpoint(Checkpoint(config, made.state)))


def signing(text: str, hold: int = 3, pause: int = 2) -> list[NDArray[np.uint8]]:
    """Frames, 288 x 360, with a sign of each character of `SIGNS` where the mouth would be, and pauses after it."""
    steps = [place for one in text for place in [*[SIGNS.characters.index(one)] * hold, *[SIGNS.blank] * pause]]
    return [_signs()[place] for place in steps]


def _signs() -> list[NDArray[np.uint8]]:
    """The pictures of `SIGNS`, the last one for a pause."""
    pictures = [np.full((288, 360, 3), 100, np.uint8) for _ in range(4)]
    for place, (column, level) in enumerate(((90, 255), (135, 0), (175, 255))):
        pictures[place][198:228, column : column + 36] = level
    return pictures


@cache
def reading_lips() -> Checkpoint:
    """A checkpoint that reads `signing`: random features, and a head that is fitted to them by least squares."""
    made = fixed_lips(width_factor=0.2)
    model = lip_model_of(made).eval()
    assert made.config.lips is not None
    random = np.random.default_rng(0)
    features, outputs = [], []
    for _ in range(CLIPS):
        frames = np.stack(signing("".join(random.choice(SIGNS.characters, 16)))[random.integers(5) :][:75])
        clip = torch.from_numpy(lip_preprocess(fixed_crop(frames), made.config.lips))[None]
        with torch.inference_mode():
            features.append(model.forward_features(clip)[0].double())
        shown = [next(place for place, sign in enumerate(_signs()) if np.array_equal(sign, one)) for one in frames]
        outputs.append(torch.eye(4, dtype=torch.float64)[shown])
    rows = torch.cat([torch.cat(features), torch.ones(CLIPS * 75, 1, dtype=torch.float64)], dim=1)
    products = rows.T @ rows + 1e-5 * torch.eye(rows.shape[1], dtype=torch.float64)
    weights = 20 * torch.linalg.solve(products, rows.T @ torch.cat(outputs)).T.float()
    state = {**made.state, "head.weight": weights[:, :-1], "head.bias": weights[:, -1]}
    return read_checkpoint(write_checkpoint(Checkpoint(made.config, state)))
