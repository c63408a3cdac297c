"""Stand-in weights of Keras's Inception v3, and their arrays by the names that its files have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from extractors.networks.inception import VARIANTS
from tests.fixtures.parity import weights

FRAMES = weights.frames(0, (2, 299, 299, 3))
NORM = {"beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


@cache
def standin_state() -> dict[str, Tensor]:
    """The state dict of `inception_keras`; scales of batch norms are 1, and the first mean is of pixels of mean 0.1."""
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in VARIANTS["inception-keras"]().state_dict().items()}
    state = {key: torch.from_numpy(value) for key, value in weights.state_dict(shapes).items()}
    state |= {key: torch.ones_like(value) for key, value in state.items() if key.endswith(".bn.weight")}
    first = "Conv2d_1a_3x3"
    return state | {f"{first}.bn.running_mean": 0.1 * state[f"{first}.conv.weight"].sum((1, 2, 3))}


def named_arrays(conv: str, norm: str, order: Sequence[int] | None = None, first: int = 0) -> dict[str, Tensor]:
    """The arrays by `conv.format(layer)` and `norm.format(layer, entry)`; layers are numbered from `first`.

    order  of the layers; None for that in which Keras makes them
    """
    state = standin_state()
    made = [key.removesuffix(".conv.weight") for key in state if key.endswith(".conv.weight")]
    arrays = {}
    for place, number in enumerate(order or range(len(made))):
        suffix = f"_{place + first}" if place + first else ""
        arrays[conv.format(f"conv2d{suffix}")] = state[f"{made[number]}.conv.weight"].permute(2, 3, 1, 0)
        for index, (entry, key) in enumerate(NORM.items()):
            name = norm.format(f"batch_normalization{suffix}", index if norm.endswith("vars/{}") else entry)
            arrays[name] = state[f"{made[number]}.bn.{key}"]
    return arrays
