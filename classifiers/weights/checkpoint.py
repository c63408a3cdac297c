"""A checkpoint: a trained classifier as a folder of three files, none of which can hold code.

    model.safetensors   the weights and buffers
    config.json         everything else that is needed to rebuild and use the model: `CheckpointConfig`
    history.json        how training went: `TrainingHistory`; may be missing

In and out: `files`, the names above with their bytes, so that whoever knows a store can keep them there. Reading is
strict: what is unknown, missing, of a wrong type or of a newer version is an error, and a file that belongs to another
checkpoint is told by its hash. All problems come in one `CheckpointError`. Version 1, which knew neither clips nor
phases, is read as what it was.

Nothing here knows a network. `load_weights` fills one that was built from the configuration.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from classifiers.losses import TASKS
from schemas import strict_json
from schemas.clips import ClipInput
from schemas.trainings import Epoch

SCHEMA_VERSION = 2
CLIP = "clip"
LEVELS = ("video", "frame", CLIP)
WEIGHTS_FILE, CONFIG_FILE, HISTORY_FILE = "model.safetensors", "config.json", "history.json"
SHOWN_PROBLEMS = 20

T = TypeVar("T")


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; `problems` holds one line for each thing that is wrong."""

    def __init__(self, subject: str, problems: list[str]) -> None:
        self.problems = tuple(problems)
        shown = problems[:SHOWN_PROBLEMS]
        if len(shown) < len(problems):
            shown.append(f"and {len(problems) - len(shown)} more")
        super().__init__(f"{subject}: {len(problems)} problem(s)\n" + "\n".join(f"  - {line}" for line in shown))


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """What a classifier is.

    model                its name in the registry
    options              its own numbers, as the registry takes them
    num_classes          K
    class_names          K, in the order of the outputs
    class_indices        K, the index that each class has in the labels of the dataset
    rgb_dim, audio_dim   width of the features; 0 where the model does not look at them
    level                video (means), frame or clip
    task                 single-label (softmax) or multi-label (sigmoid)
    input_columns        columns of the feature shards that the model reads
    feature_fingerprint  of the features that it was trained on, and the only ones that it takes
    clips                what a clip classifier takes instead of features; None for all others
    temperature          logits are divided by it before they become probabilities
    metrics              of the validation split, by name
    training             a summary for people: split sizes, epochs, optimizer and the like
    seed                 of the training
    weights_sha256       of model.safetensors; `write_checkpoint` fills it in
    """

    model: str
    options: Mapping[str, Any]
    num_classes: int
    class_names: tuple[str, ...]
    class_indices: tuple[int, ...]
    rgb_dim: int
    audio_dim: int
    level: str
    task: str
    input_columns: tuple[str, ...]
    feature_fingerprint: Mapping[str, str]
    temperature: float
    metrics: Mapping[str, float]
    training: Mapping[str, Any]
    seed: int
    clips: ClipInput | None = None
    weights_sha256: str = ""
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse what does not fit together, all of it at once."""
        problems = []
        if self.level not in LEVELS:
            problems.append(f"level is {self.level!r}, allowed: {', '.join(LEVELS)}")
        if self.task not in TASKS:
            problems.append(f"task is {self.task!r}, allowed: {', '.join(TASKS)}")
        if self.num_classes < 1:
            problems.append(f"num_classes is {self.num_classes}, expected 1 or more")
        if len(self.class_names) != self.num_classes:
            problems.append(f"{len(self.class_names)} class_names for {self.num_classes} classes")
        if len(self.class_indices) != self.num_classes:
            problems.append(f"{len(self.class_indices)} class_indices for {self.num_classes} classes")
        if len(set(self.class_indices)) < len(self.class_indices) or min(self.class_indices, default=0) < 0:
            problems.append("class_indices must be different from each other and 0 or more")
        if (self.level == CLIP) != (self.clips is not None):
            problems.append(f"level is {self.level!r}, {'with' if self.clips else 'without'} clips: they go together")
        if self.clips is not None and (self.rgb_dim, self.audio_dim) != (0, 0):
            problems.append(
                f"rgb_dim {self.rgb_dim} and audio_dim {self.audio_dim}, a clip classifier takes no features"
            )
        elif min(self.rgb_dim, self.audio_dim) < 0 or (self.clips is None and self.rgb_dim + self.audio_dim == 0):
            problems.append(f"rgb_dim {self.rgb_dim} and audio_dim {self.audio_dim}, expected one above 0, none below")
        if not 0 < self.temperature < math.inf:
            problems.append(f"temperature is {self.temperature}, expected a finite number above 0")
        problems += [f"metric {name} is {value}" for name, value in self.metrics.items() if not math.isfinite(value)]
        if problems:
            raise ValueError("; ".join(problems))


@dataclass(frozen=True, kw_only=True)
class TrainingHistory:
    """The epochs in their order; `best_epoch` is the one whose weights were kept."""

    epochs: tuple[Epoch, ...]
    best_epoch: int | None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds; no history where none was written."""

    config: CheckpointConfig
    state: dict[str, Tensor]
    history: TrainingHistory | None = None


def write_checkpoint(checkpoint: Checkpoint) -> dict[str, bytes]:
    """The files of a checkpoint, the configuration last: equal checkpoints give equal bytes.

    Raises:
        CheckpointError: if weights are not finite.
    """
    problems = _weight_problems(checkpoint.state)
    if problems:
        raise CheckpointError("weights that are to be written", problems)
    state = {key: value.detach().to("cpu", copy=True).contiguous() for key, value in checkpoint.state.items()}
    weights = safetensors.torch.save(state)
    config = replace(checkpoint.config, weights_sha256=hashlib.sha256(weights).hexdigest())
    history = {} if checkpoint.history is None else {HISTORY_FILE: strict_json.dump(checkpoint.history).encode()}
    return {WEIGHTS_FILE: weights, **history, CONFIG_FILE: strict_json.dump(config).encode()}


def read_checkpoint(files: Mapping[str, bytes], subject: str = "checkpoint") -> Checkpoint:
    """What `write_checkpoint` wrote; `subject` says in an error where it was read.

    Raises:
        CheckpointError: with all that is wrong.
    """
    problems: list[str] = []
    config = _read_json(CheckpointConfig, files, CONFIG_FILE, problems)
    history = _read_json(TrainingHistory, files, HISTORY_FILE, problems) if HISTORY_FILE in files else None
    state: dict[str, Tensor] = {}
    weights = files.get(WEIGHTS_FILE)
    if weights is None:
        problems.append(f"{WEIGHTS_FILE}: missing; a checkpoint is a folder with {WEIGHTS_FILE} and {CONFIG_FILE}")
    else:
        try:
            state = safetensors.torch.load(weights)
        except (SafetensorError, ValueError, KeyError) as error:
            problems.append(f"{WEIGHTS_FILE}: no safetensors file: {error}")
        problems += [f"{WEIGHTS_FILE}: {problem}" for problem in _weight_problems(state)]
        if config is not None and config.weights_sha256 != hashlib.sha256(weights).hexdigest():
            problems.append(
                f"{WEIGHTS_FILE}: its sha256 is not {config.weights_sha256 or 'empty'}, as {CONFIG_FILE} says: the "
                "files are of two trainings, or one is damaged; copy the whole folder again"
            )
    if config is None or problems:
        raise CheckpointError(subject, problems)
    return Checkpoint(config, state, history)


def load_weights(model: nn.Module, checkpoint: Checkpoint, subject: str = "checkpoint") -> None:
    """Fill a model that was built from the configuration.

    Raises:
        CheckpointError: with every tensor that is missing, unknown, or of another shape.
    """
    wanted, given = model.state_dict(), checkpoint.state
    problems = [f"{key}: missing" for key in sorted(wanted.keys() - given.keys())]
    problems += [f"{key}: the model has no such tensor" for key in sorted(given.keys() - wanted.keys())]
    problems += [
        f"{key}: {_kind(given[key])}, the model has {_kind(wanted[key])}"
        for key in sorted(wanted.keys() & given.keys())
        if _kind(given[key]) != _kind(wanted[key])
    ]
    if problems:
        raise CheckpointError(f"{subject}, weights for model {checkpoint.config.model!r}", problems)
    model.load_state_dict(given)


def check_fingerprint(config: CheckpointConfig, found: Mapping[str, str], features: str) -> None:
    """Make sure that features were made as those were that the model was trained on; `features` names them.

    Raises:
        CheckpointError: with everything that differs.
    """
    trained = config.feature_fingerprint
    differences = [
        f"{key}: {found.get(key, 'not set')}, the model was trained on {trained.get(key, 'not set')}"
        for key in sorted({*found, *trained})
        if found.get(key) != trained.get(key)
    ]
    if differences:
        advice = f"{features} holds features of another kind than model {config.model!r} takes (extract them with the "
        raise CheckpointError(advice + "options it was trained with, or train on these)", differences)


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _read_json(kind: type[T], files: Mapping[str, bytes], name: str, problems: list[str]) -> T | None:
    if name not in files:
        problems.append(f"{name}: missing; a checkpoint is a folder with {WEIGHTS_FILE} and {CONFIG_FILE}")
        return None
    try:
        text = _upgraded(files[name].decode(), name)
        return strict_json.load(kind, text, name, schema_version=SCHEMA_VERSION)
    except (UnicodeDecodeError, RecursionError) as error:
        problems.append(f"{name}: no JSON text: {error}")
    except strict_json.JsonMismatchError as error:
        problems += [f"{name}: {problem}" for problem in error.problems]
    return None


def _upgraded(text: str, name: str) -> str:
    """A file of version 1 as this version has it; any other text as it is."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return text
    if not isinstance(document, dict) or document.get("schema_version") != 1:
        return text
    if name == HISTORY_FILE:
        document["epochs"] = [{"phase": 0, **epoch} for epoch in document.get("epochs", [])]
    else:
        document = {"clips": None, **document}
    return json.dumps({**document, "schema_version": SCHEMA_VERSION})


def _weight_problems(state: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{key}: holds values that are not finite"
        for key, value in state.items()
        if value.is_floating_point() and not torch.isfinite(value.double()).all()  # float8 knows no isfinite
    ]
