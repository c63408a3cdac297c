"""Exported classifiers: what a file for another runtime says of itself, and the checks that it has passed.

    model.onnx        or .tflite: the network; holds its `ExportedModel` as JSON, in the metadata under `METADATA_KEY`
    model.onnx.json   the `ExportReport`: the same, and the checks

A network takes `clips`, or `frames` with one input for each tensor of its state (`StateTensor`). Frames are uint8,
(videos, frames, height, width, channels), as `ClipFormat` cuts them out of a video: RGB, optical flow, or both; the
network normalises them itself. It gives `logits` and `features`, the input of its head: of each clip, or of each frame.
Probabilities are the softmax of the logits divided by the temperature, or their sigmoid where a video has several
labels. All tensors of a state are 0 before the first frames.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.clips import ClipInput

SCHEMA_VERSION = 1
METADATA_KEY = "framemill.export"
CLIP, STREAM = "clip", "stream"
FP32, INT8 = "fp32", "int8"
PRECISIONS = (FP32, INT8)
CLIPS, FRAMES = "clips", "frames"
LOGITS, FEATURES = "logits", "features"
STATE_PREFIX, NEXT_PREFIX = "state.", "next."
RGB_CHANNELS = 3
VALUE_BYTES = {"float32": 4, "int64": 8}  # of a state, by type
MAX_STATE_BYTES = 1 << 30  # of one video; the largest networks have 72 MiB
MAX_FEATURE_DIM = 1 << 16
MODEL_NAME, SHA256 = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}"), re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class StateTensor:
    """A part of a state: what a network has kept of the frames so far.

    input, output  names; the output of one call is the input of the next
    shape          of one video, without the dimension of the videos, which comes first
    dtype          float32 or int64
    """

    input: str
    output: str
    shape: tuple[int, ...]
    dtype: str

    def __post_init__(self) -> None:
        """Refuse what is no tensor."""
        if self.dtype not in VALUE_BYTES:
            raise ValueError(f"dtype is {self.dtype!r}, allowed: {', '.join(VALUE_BYTES)}")
        if min(self.shape, default=1) < 1:
            raise ValueError(f"shape is {self.shape}, each size must be at least 1")

    @property
    def bytes(self) -> int:
        """Its size for one video."""
        return math.prod(self.shape) * VALUE_BYTES[self.dtype]


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """A classifier in a file.

    kind           `CLIP` or `STREAM`
    precision      fp32 or int8
    quantization   how int8 was calibrated, for people; empty for fp32
    model, options name in the registry and the options of the checkpoint
    class_indices  of the classes in the data set, in the order of the logits
    task           single-label (softmax) or multi-label (sigmoid)
    feature_dim    width of the features
    clips          format and sampling of the input
    state          empty for networks over clips
    memory_frames  after how many frames means begin to forget (`classifiers.layers.stream`); None for never
    weights_sha256 of the checkpoint that was exported
    versions       of the libraries that wrote the file
    videos, frames how many videos, and of a stream how many frames of each, one call takes; None: any number
    """

    kind: str
    precision: str
    quantization: Mapping[str, Any]
    model: str
    options: Mapping[str, Any]
    class_names: tuple[str, ...]
    class_indices: tuple[int, ...]
    task: str
    temperature: float
    feature_dim: int
    clips: ClipInput
    state: tuple[StateTensor, ...]
    weights_sha256: str
    versions: Mapping[str, str]
    memory_frames: int | None = None
    videos: int | None = None
    frames: int | None = None
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        problems = []
        if self.kind not in (CLIP, STREAM):
            problems.append(f"kind is {self.kind!r}, allowed: {CLIP}, {STREAM}")
        elif (self.kind == STREAM) != bool(self.state):
            problems.append(f"kind is {self.kind!r}, with {len(self.state)} tensors of state")
        form = self.clips.format
        if form.channels != RGB_CHANNELS and form.flow is None:
            problems.append(f"clips have {form.channels} channels, and no method of the optical flow that they are of")
        if self.precision not in PRECISIONS:
            problems.append(f"precision is {self.precision!r}, allowed: {', '.join(PRECISIONS)}")
        if not MODEL_NAME.fullmatch(self.model):
            problems.append(f"model is {self.model[:80]!r}, which is no name of a model")
        if not SHA256.fullmatch(self.weights_sha256):
            problems.append(f"weights_sha256 is {self.weights_sha256[:80]!r}, not 64 hexadecimal digits")
        if not 1 <= self.feature_dim <= MAX_FEATURE_DIM:
            problems.append(f"feature_dim is {self.feature_dim}, expected 1 to {MAX_FEATURE_DIM}")
        state_bytes = sum(one.bytes for one in self.state)
        if state_bytes > MAX_STATE_BYTES:
            problems.append(f"the state of a video has {state_bytes:,} bytes, at most {MAX_STATE_BYTES:,} are allowed")
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def input(self) -> str:
        """The name of the input for pictures."""
        return FRAMES if self.kind == STREAM else CLIPS

    @property
    def input_names(self) -> list[str]:
        """The names of all inputs."""
        return [self.input, *(one.input for one in self.state)]

    @property
    def output_names(self) -> list[str]:
        """The names of all outputs, in the order of `LOGITS`, `FEATURES` and the state."""
        return [LOGITS, FEATURES, *(one.output for one in self.state)]


@dataclass(frozen=True, kw_only=True)
class ExportCheck:
    """The file beside the checkpoint in torch, over some clips.

    inputs              random or videos
    deviation           standard deviation of torch's logits
    max_difference      from torch's logits
    chunked_difference  of a stream network given the clips in parts, from the same given whole; 0 for others
    top1_agreement      fraction of the clips on which both have the same best class
    """

    inputs: str
    clips: int
    deviation: float
    max_difference: float
    chunked_difference: float
    top1_agreement: float


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """A file, its size and hash, and the checks that it has passed."""

    exported: ExportedModel
    bytes: int
    sha256: str
    checks: tuple[ExportCheck, ...]
    schema_version: int = SCHEMA_VERSION
