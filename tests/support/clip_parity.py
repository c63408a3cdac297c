"""The parity fixtures of clip classifiers: stand-in weights, clips, and what reference implementations made of them."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch

from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model
from classifiers.weights.published_clips import fill
from tests.fixtures.parity.clips import weights

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "parity" / "clips"
MANIFEST = json.loads((FOLDER / "fixtures.json").read_text())
TOLERANCE = 1e-4  # of the expected values' standard deviation, at the most; typical mistakes are 1e-2 and more


def arrays(fixture: str) -> dict[str, torch.Tensor]:
    """Stand-in weights, with the keys and shapes of the public file."""
    state = weights.state(FOLDER / f"{fixture}.spec.json")
    assert weights.crc(state) == MANIFEST[fixture]["weights_crc"]
    return {key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}


@cache
def golden(fixture: str) -> dict[str, np.ndarray]:
    """The expected arrays."""
    with np.load(FOLDER / f"{fixture}.npz") as expected:
        return dict(expected)


def clip(fixture: str) -> torch.Tensor:
    """The clip that was looked at, uint8 (1, T, H, W, C)."""
    numbers = MANIFEST[fixture]["input"]
    return torch.from_numpy(weights.clip_u8(numbers["seed"], numbers["t"], numbers["h"], numbers["w"]))[None]


def filled(name: str, fixture: str, **options: object) -> ClipModel:
    """Model `name` with the stand-in weights, in evaluation."""
    state = arrays(fixture)
    classes = MANIFEST[fixture].get("classes") or len(golden(fixture)["logits"][0])
    model = build_clip_model(name, num_classes=classes, options=options).eval()
    fill(model, state)
    return model


def error(actual: torch.Tensor, expected: np.ndarray) -> float:
    """The greatest difference, in standard deviations of what is expected."""
    assert actual.shape == expected.shape
    return float(np.abs(actual.double().numpy() - expected).max() / expected.astype(np.float64).std())
