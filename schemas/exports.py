"""Exported classifiers: what a file for another runtime says of itself, and the checks that it has passed.

    model.onnx        or .tflite: the network; holds its `ExportedModel` as JSON, in the metadata under `METADATA_KEY`
    model.onnx.json   the `ExportReport`: the same, and the checks

A network takes `clips`, or `frames` with one input for each tensor of its state (`StateTensor`). Frames are uint8 RGB,
(videos, frames, height, width, 3), as `ClipFormat` cuts them out of a video; the network normalises them itself. It
gives `logits` and `features`, the input of its head: of each clip, or of each frame. Probabilities are the softmax of
the logits divided by the temperature, or their sigmoid where a video has several labels. All tensors of a state are 0
before the first frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.clips import ClipInput

SCHEMA_VERSION = 1
METADATA_KEY = "framemill.export"
CLIP, STREAM = "clip", "stream"
CLIPS, FRAMES = "clips", "frames"
LOGITS, FEATURES = "logits", "features"
STATE_PREFIX, NEXT_PREFIX = "state.", "next."


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
    videos: int | None = None
    frames: int | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def input(self) -> str:
        """The name of the input for pictures."""
        return FRAMES if self.kind == STREAM else CLIPS


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
