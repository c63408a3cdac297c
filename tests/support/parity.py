"""The parity fixtures: stand-in weights, inputs and the numbers that reference implementations gave for them."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch

from tests.fixtures.parity import weights

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "parity"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())
FIRST_SALT = ""


@cache
def state_dict(model: str) -> dict[str, torch.Tensor]:
    """Stand-in weights of a model, with the keys and shapes of its public checkpoint."""
    spec = json.loads((FOLDER / f"{model}.json").read_text())
    state = weights.state_dict(spec, FIRST_SALT)
    assert weights.fingerprint(state) == MANIFEST[model]["weights_crc32"]
    return {key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}


@cache
def golden(model: str) -> dict[str, np.ndarray]:
    """The expected arrays of a model."""
    with np.load(FOLDER / f"{model}.npz") as arrays:
        return dict(arrays)


def rel_rms(actual: object, expected: np.ndarray) -> float:
    """Root of mean squared difference over mean squared value."""
    a, b = np.asarray(actual, dtype=np.float64), expected.astype(np.float64)
    assert a.shape == b.shape
    return float(np.sqrt(np.mean((a - b) ** 2) / np.mean(b**2)))
