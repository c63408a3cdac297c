"""What a training that is to go on later needs, as one file that can hold no code.

In and out: `TrainingState`, and safetensors bytes whose header carries everything that is no tensor.

What is frozen stays the same for a phase, and can be most of a network: it may be left out, and kept in a file of its
own (`write_frozen`). Tensors of the best epoch that are those of the last one are there once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.optim import Optimizer

from classifiers.weights.checkpoint import TrainingHistory
from schemas import strict_json
from schemas.errors import InputError

PROGRESS = "progress"
VERSION = 2
PARTS = ("model", "best", "optimizer")


class TrainingStateError(InputError, ValueError):
    """A state that cannot be gone on from; the message says why."""


@dataclass(frozen=True)
class Progress:
    """What is no tensor; `configuration` is whatever must be equal for a training to be the same one.

    `left_out` are the model's tensors that another file has.
    """

    step: int
    history: TrainingHistory
    configuration: Mapping[str, Any]
    left_out: tuple[str, ...]
    schema_version: int = VERSION


@dataclass(frozen=True)
class TrainingState:
    """Weights of the last epoch and of the best; the optimizer's tensors by `{parameter}.{name}`; steps; history.

    `frozen` are the model's tensors that this phase does not change.
    """

    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    step: int
    history: TrainingHistory
    frozen: frozenset[str] = frozenset()


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


def write_state(state: TrainingState, configuration: Mapping[str, Any], *, with_frozen: bool = True) -> bytes:
    """The bytes of a state, with or without what is frozen."""
    left_out = frozenset() if with_frozen else state.frozen
    model = {key: value for key, value in state.model.items() if key not in left_out}
    best = {key: value for key, value in state.best.items() if not torch.equal(value, state.model[key])}
    tensors = {
        f"{part}/{key}": value.detach().to("cpu", copy=True).contiguous()
        for part, given in zip(PARTS, (model, best, state.optimizer), strict=True)
        for key, value in given.items()
    }
    progress = Progress(state.step, state.history, configuration, tuple(sorted(left_out)))
    data: bytes = safetensors.torch.save(tensors, metadata={PROGRESS: strict_json.dump(progress)})
    return data


def write_frozen(state: TrainingState) -> bytes:
    """The bytes of what is frozen."""
    tensors = {key: state.model[key].detach().to("cpu", copy=True).contiguous() for key in sorted(state.frozen)}
    data: bytes = safetensors.torch.save(tensors)
    return data


def read_state(
    data: bytes, configuration: Mapping[str, Any], read_frozen: Callable[[int], bytes] | None = None
) -> TrainingState:
    """What `write_state` wrote; `read_frozen` gives the bytes of what is frozen in a phase, where it was left out.

    Raises:
        TrainingStateError: if it is damaged, or belongs to a training with another configuration.
    """
    try:
        tensors = safetensors.torch.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        text = header["__metadata__"][PROGRESS]
        progress = strict_json.load(Progress, text, "training state", schema_version=VERSION)
        if progress.left_out:
            assert read_frozen is not None
            frozen = safetensors.torch.load(read_frozen(progress.history.epochs[-1].phase))
            tensors |= {f"{PARTS[0]}/{key}": frozen[key] for key in progress.left_out}
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
    model, best, optimizer = (parts[part] for part in PARTS)
    return TrainingState(model, {**model, **best}, optimizer, progress.step, progress.history)
