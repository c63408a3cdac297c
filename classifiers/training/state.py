"""The state of a training to resume from, as a file that cannot contain code.

In and out: `TrainingState`, and safetensors bytes with all other values in their header.

Frozen tensors do not change during a phase and can be most of a network: they may be omitted and stored once in a file
of their own (`write_frozen`). Tensors of the best epoch that equal those of the last one are stored once.
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

from classifiers.training.identity import TrainingIdentity
from classifiers.weights.checkpoint import TrainingHistory
from schemas import strict_json
from schemas.errors import InputError

PROGRESS = "progress"
VERSION = 2
PARTS = ("model", "best", "optimizer")


class TrainingStateError(InputError, ValueError):
    """A state that cannot be resumed from; the message gives the reason."""


@dataclass(frozen=True)
class Progress:
    """The values in the header.

    step           of the phase
    configuration  the values of the training's identity
    left_out       the model's tensors that are in the file of frozen ones
    """

    step: int
    history: TrainingHistory
    configuration: Mapping[str, Any]
    left_out: tuple[str, ...]
    schema_version: int = VERSION


@dataclass(frozen=True)
class TrainingState:
    """The state after an epoch.

    model      tensors of the last epoch
    best       tensors of the best epoch
    optimizer  tensors by `{number of the parameter}.{name}`
    step       of the phase
    frozen     names of the model's tensors that are frozen in this phase
    """

    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    step: int
    history: TrainingHistory
    frozen: frozenset[str] = frozenset()


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The state of an optimizer as tensors by `{number of the parameter}.{name}`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": value
        for number, values in state.items()
        for name, value in values.items()
        if value is not None  # unused momentum
    }


def optimizer_state(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The argument of `optimizer.load_state_dict` for the tensors of `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    return {**optimizer.state_dict(), "state": state}


def write_state(state: TrainingState, identity: TrainingIdentity, *, with_frozen: bool = True) -> bytes:
    """The bytes of a state, with or without frozen tensors."""
    left_out = frozenset() if with_frozen else state.frozen
    model = {key: value for key, value in state.model.items() if key not in left_out}
    best = {key: value for key, value in state.best.items() if not torch.equal(value, state.model[key])}
    tensors = {
        f"{part}/{key}": value.detach().to("cpu", copy=True).contiguous()
        for part, given in zip(PARTS, (model, best, state.optimizer), strict=True)
        for key, value in given.items()
    }
    progress = Progress(state.step, state.history, identity.values, tuple(sorted(left_out)))
    data: bytes = safetensors.torch.save(tensors, metadata={PROGRESS: strict_json.dump(progress)})
    return data


def write_frozen(state: TrainingState) -> bytes:
    """The bytes of the frozen tensors."""
    tensors = {key: state.model[key].detach().to("cpu", copy=True).contiguous() for key in sorted(state.frozen)}
    data: bytes = safetensors.torch.save(tensors)
    return data


def read_state(
    data: bytes, identity: TrainingIdentity, read_frozen: Callable[[int], bytes] | None = None
) -> TrainingState:
    """Read the bytes of `write_state`; `read_frozen` returns those of `write_frozen` for a phase, if needed.

    Raises:
        TrainingStateError: if the state is damaged, or belongs to another training.
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
    if differences := identity.differences(progress.configuration):
        raise TrainingStateError("it belongs to a training with other options: " + "; ".join(differences))
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for key, value in tensors.items():
        part, name = key.split("/", 1)
        parts[part][name] = value
    model, best, optimizer = (parts[part] for part in PARTS)
    return TrainingState(model, {**model, **best}, optimizer, progress.step, progress.history)
