"""What a training that is to go on later needs, as one file that can hold no code.

In and out: `TrainingState`, and safetensors bytes whose header carries everything that is no tensor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor
from torch.optim import Optimizer

from classifiers.checkpoint import TrainingHistory
from schemas import strict_json

PROGRESS = "progress"
VERSION = 2
PARTS = ("model", "best", "optimizer")


class TrainingStateError(ValueError):
    """A state that cannot be gone on from; the message says why."""


@dataclass(frozen=True)
class Progress:
    """What is no tensor; `configuration` is whatever must be equal for a training to be the same one."""

    step: int
    history: TrainingHistory
    configuration: Mapping[str, Any]
    schema_version: int = VERSION


@dataclass(frozen=True)
class TrainingState:
    """Weights of the last epoch and of the best; the optimizer's tensors by `{parameter}.{name}`; steps; history."""

    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    step: int
    history: TrainingHistory


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """What an optimizer remembers, by `{number of the parameter}.{name}`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": value
        for number, values in state.items()
        for name, value in values.items()
        if value is not None  # momentum that is not used
    }


def optimizer_state(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """What `optimizer.load_state_dict` takes."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    return {**optimizer.state_dict(), "state": state}


def write_state(state: TrainingState, configuration: Mapping[str, Any]) -> bytes:
    """The bytes of a state."""
    tensors = {
        f"{part}/{key}": value.detach().to("cpu", copy=True).contiguous()
        for part in PARTS
        for key, value in getattr(state, part).items()
    }
    progress = Progress(state.step, state.history, configuration)
    data: bytes = safetensors.torch.save(tensors, metadata={PROGRESS: strict_json.dump(progress)})
    return data


def read_state(data: bytes, configuration: Mapping[str, Any]) -> TrainingState:
    """What `write_state` wrote.

    Raises:
        TrainingStateError: if it is damaged, or belongs to a training with another configuration.
    """
    try:
        tensors = safetensors.torch.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        text = header["__metadata__"][PROGRESS]
        progress = strict_json.load(Progress, text, "training state", schema_version=VERSION)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise TrainingStateError(f"it cannot be read: {error}") from error
    differences = [
        f"{name} was {progress.configuration.get(name)!r}, is {configuration.get(name)!r}"
        for name in sorted({*progress.configuration, *configuration})
        if progress.configuration.get(name) != configuration.get(name)
    ]
    if differences:
        raise TrainingStateError("it belongs to a training with other options: " + "; ".join(differences))
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for key, value in tensors.items():
        part, name = key.split("/", 1)
        parts[part][name] = value
    return TrainingState(**parts, step=progress.step, history=progress.history)
