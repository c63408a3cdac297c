"""Checkpoints: a trained classifier as a folder of three files, none of which can contain code.

    model.safetensors   the weights and buffers
    config.json         everything else needed to rebuild and use the model: `CheckpointConfig`
    history.json        the course of training: `TrainingHistory`; optional

In and out: `files`, the bytes of these files by name, independent of where they are stored. Reading is strict: unknown
and missing keys, wrong types and newer versions are errors, and a hash detects weights of another checkpoint. All
problems are reported in one `CheckpointError`. Version 1, without clips and phases, is upgraded.

This module does not depend on any network: `fitted_model` builds one from the configuration, in memory only if it has
the shapes of the weights, so that a configuration can claim nothing that the file of weights does not have.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from classifiers.choices import TASKS, TRANSCRIPTION
from classifiers.text.alphabet import Alphabet
from schemas import strict_json
from schemas.clips import ClipInput
from schemas.errors import problem_list
from schemas.lips import LipInput
from schemas.trainings import Epoch

SCHEMA_VERSION = 2
VIDEO, FRAME, CLIP, LIP = "video", "frame", "clip", "lip"
LEVELS = (VIDEO, FRAME, CLIP, LIP)
WEIGHTS_FILE, CONFIG_FILE, HISTORY_FILE = "model.safetensors", "config.json", "history.json"
MAX_LISTED = 20
MAX_DIM = 1 << 16
MAX_CLASS_INDEX = 2**31 - 1  # shards hold int32

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=nn.Module)


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; `problems` has one line for each problem."""

    def __init__(self, subject: str, problems: list[str]) -> None:
        self.problems = tuple(problems)
        more = len(problems) - MAX_LISTED
        first = [*problems[:MAX_LISTED], *([f"and {more} more"] if more > 0 else [])]
        super().__init__(problem_list(subject, first, len(problems)))


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """The configuration of a trained classifier.

    model                name in the registry
    options              of the model, for the registry
    num_classes          K
    class_names          K names, in the order of the outputs; of a lip reader none
    class_indices        K indices of the classes in the labels of the data set; of a lip reader none
    rgb_dim, audio_dim   width of the features; 0 if the model does not use them
    level                video (means), frame, clip or lip
    task                 single-label (softmax), multi-label (sigmoid) or transcription (CTC)
    input_columns        columns of the feature shards that the model reads
    feature_fingerprint  of the features of the training data, the only ones the model accepts
    clips                the input of a clip classifier; None for others
    lips, alphabet       the input of a lip reader, and what its K outputs stand for; None for others
    temperature          divisor of the logits before softmax or sigmoid
    metrics              of the validation split, by name
    training             a summary for people: split sizes, epochs, optimizer and similar
    seed                 of the training
    weights_sha256       of model.safetensors; set by `write_checkpoint`
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
    lips: LipInput | None = None
    alphabet: Alphabet | None = None
    weights_sha256: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def takes(self) -> str:
        """What the network looks at, for messages."""
        return {CLIP: "clips", LIP: "mouths, to read lips"}.get(self.level, "features")

    def __post_init__(self) -> None:
        """Check the values; reports all problems at once."""
        problems = []
        if self.level not in LEVELS:
            problems.append(f"level is {self.level!r}, allowed: {', '.join(LEVELS)}")
        tasks = (TRANSCRIPTION,) if self.level == LIP else TASKS
        if self.task not in tasks:
            problems.append(f"task is {self.task!r}, allowed: {', '.join(tasks)}")
        if self.num_classes < 1:
            problems.append(f"num_classes is {self.num_classes}, expected 1 or more")
        named = 0 if self.level == LIP else self.num_classes
        for field, given in (("class_names", self.class_names), ("class_indices", self.class_indices)):
            if len(given) != named:
                problems.append(f"{len(given)} {field} for {named} classes")
        if self.alphabet is not None and self.alphabet.num_outputs != self.num_classes:
            problems.append(f"an alphabet of {self.alphabet.num_outputs} outputs for {self.num_classes} classes")
        outside = [index for index in self.class_indices if not 0 <= index <= MAX_CLASS_INDEX]
        if len(set(self.class_indices)) < len(self.class_indices) or outside:
            problems.append(f"class_indices must be distinct and at least 0, at most {MAX_CLASS_INDEX}")
        kinds = ((CLIP, "clips", self.clips), (LIP, "lips", self.lips), (LIP, "alphabet", self.alphabet))
        for level, field, value in kinds:
            if (self.level == level) != (value is not None):
                with_it = "with" if value is not None else "without"
                problems.append(f"level is {self.level!r}, {with_it} {field}: {level!r} and {field} require each other")
        takes_features = self.clips is None and self.lips is None
        if not takes_features and (self.rgb_dim, self.audio_dim) != (0, 0):
            problems.append(
                f"rgb_dim {self.rgb_dim}, audio_dim {self.audio_dim}; expected 0: a network of frames takes no features"
            )
        elif min(self.rgb_dim, self.audio_dim) < 0 or (takes_features and self.rgb_dim + self.audio_dim == 0):
            problems.append(
                f"rgb_dim is {self.rgb_dim}, audio_dim {self.audio_dim}; expected at least 0, and one of them above 0"
            )
        if max(self.rgb_dim, self.audio_dim) > MAX_DIM:
            problems.append(f"rgb_dim is {self.rgb_dim}, audio_dim {self.audio_dim}; expected at most {MAX_DIM}")
        if not 0 < self.temperature < math.inf:
            problems.append(f"temperature is {self.temperature}, expected a finite number above 0")
        problems += [f"metric {name} is {value}" for name, value in self.metrics.items() if not math.isfinite(value)]
        if problems:
            raise ValueError("; ".join(problems))


@dataclass(frozen=True, kw_only=True)
class TrainingHistory:
    """The epochs in order; `best_epoch` is the one whose weights were kept."""

    epochs: tuple[Epoch, ...]
    best_epoch: int | None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class Checkpoint:
    """The contents of a checkpoint."""

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
        raise CheckpointError("cannot write the weights", problems)
    state = {key: value.detach().to("cpu", copy=True).contiguous() for key, value in checkpoint.state.items()}
    weights = safetensors.torch.save(state)
    config = replace(checkpoint.config, weights_sha256=hashlib.sha256(weights).hexdigest())
    history = {} if checkpoint.history is None else {HISTORY_FILE: strict_json.dump(checkpoint.history).encode()}
    return {WEIGHTS_FILE: weights, **history, CONFIG_FILE: strict_json.dump(config).encode()}


def read_checkpoint(files: Mapping[str, bytes], subject: str = "checkpoint") -> Checkpoint:
    """Read the files of `write_checkpoint`; error messages name the checkpoint `subject`.

    Raises:
        CheckpointError: with all problems.
    """
    if not files:
        raise CheckpointError(subject, [f"there is no checkpoint, a folder with {WEIGHTS_FILE} and {CONFIG_FILE}"])
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
            problems.append(f"{WEIGHTS_FILE}: not a safetensors file: {error}")
        problems += [f"{WEIGHTS_FILE}: {problem}" for problem in _weight_problems(state)]
        if config is not None and config.weights_sha256 != hashlib.sha256(weights).hexdigest():
            problems.append(
                f"{WEIGHTS_FILE}: its sha256 is not that in {CONFIG_FILE}, {config.weights_sha256 or 'empty'}: the "
                "files are of different trainings, or one is damaged; copy the whole folder again"
            )
    if config is None or problems:
        raise CheckpointError(subject, problems)
    return Checkpoint(config, state, history)


def read_config(content: bytes, subject: str = "checkpoint") -> CheckpointConfig:
    """Read the configuration alone; error messages name the checkpoint `subject`.

    Raises:
        CheckpointError: with all problems.
    """
    problems: list[str] = []
    config = _read_json(CheckpointConfig, {CONFIG_FILE: content}, CONFIG_FILE, problems)
    if config is None:
        raise CheckpointError(subject, problems)
    return config


def fitted_model(build: Callable[[], ModelT], checkpoint: Checkpoint, subject: str = "checkpoint") -> ModelT:
    """The model that `build` makes from the configuration, with the weights.

    Raises:
        CheckpointError: if it cannot be built, or with every tensor that does not fit; no memory is taken for it then.
    """
    try:
        with torch.device("meta"):
            outline = build()
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:  # the last three from torch, for odd sizes
        raise CheckpointError(subject, [str(error).partition("\n")[0]]) from error
    _check_fit(outline, checkpoint, subject)
    model = build()
    model.load_state_dict(checkpoint.state)
    return model


def load_weights(model: nn.Module, checkpoint: Checkpoint, subject: str = "checkpoint") -> None:
    """Load the weights into a model that was built from the configuration.

    Raises:
        CheckpointError: with every tensor that is missing, unknown, or of another shape or type.
    """
    _check_fit(model, checkpoint, subject)
    model.load_state_dict(checkpoint.state)


def _check_fit(model: nn.Module, checkpoint: Checkpoint, subject: str) -> None:
    expected, found = model.state_dict(), checkpoint.state
    problems = [f"{key}: missing" for key in sorted(expected.keys() - found.keys())]
    problems += [f"{key}: the model has no such tensor" for key in sorted(found.keys() - expected.keys())]
    problems += [
        f"{key}: {_kind(found[key])}, the model has {_kind(expected[key])}"
        for key in sorted(expected.keys() & found.keys())
        if _kind(found[key]) != _kind(expected[key])
    ]
    if problems:
        raise CheckpointError(f"{subject}, weights for model {checkpoint.config.model!r}", problems)


def check_fingerprint(config: CheckpointConfig, found: Mapping[str, str], features: str) -> None:
    """Check that the fingerprint `found` in the data set `features` is that of the model's training data.

    Raises:
        CheckpointError: with all differences.
    """
    trained = config.feature_fingerprint
    differences = [
        f"{key}: {found.get(key, 'not set')}, the model was trained on {trained.get(key, 'not set')}"
        for key in sorted({*found, *trained})
        if found.get(key) != trained.get(key)
    ]
    if differences:
        subject = f"{features}: not the features that model {config.model!r} was trained on"
        remedy = "extract them with the options of its training data, or train on these"
        raise CheckpointError(f"{subject} ({remedy})", differences)


def _kind(tensor: Tensor) -> str:
    """Type and shape of a tensor, for messages."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _read_json(kind: type[T], files: Mapping[str, bytes], name: str, problems: list[str]) -> T | None:
    if name not in files:
        problems.append(f"{name}: missing; a checkpoint is a folder with {WEIGHTS_FILE} and {CONFIG_FILE}")
        return None
    try:
        text = _upgraded(files[name].decode())
        return strict_json.load(kind, text, name, schema_version=SCHEMA_VERSION)
    except (UnicodeDecodeError, RecursionError) as error:
        problems.append(f"{name}: not JSON: {error}")
    except strict_json.JsonMismatchError as error:
        problems += [f"{name}: {problem}" for problem in error.problems]
    return None


def _upgraded(text: str) -> str:
    """The text of a file of version 1, which lacks fields alone, as of this version; other texts unchanged."""
    try:
        document = strict_json.parse(text)
    except ValueError:
        return text
    if not isinstance(document, dict) or document.get("schema_version") != 1:
        return text
    return json.dumps({**document, "schema_version": SCHEMA_VERSION})


def _weight_problems(state: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{key}: has values that are not finite"
        for key, value in state.items()
        if value.is_floating_point() and not torch.isfinite(value.double()).all()  # isfinite does not support float8
    ]
