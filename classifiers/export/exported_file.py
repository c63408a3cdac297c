"""A file that was exported from a checkpoint, as the trained network that it is.

In: the bytes of a file from anybody. Out: an `ExportedFile`, checked: the file alone says what its classes are and how
videos become its input, so that no checkpoint is needed beside it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifiers.export.onnx_contents import ExportError
from classifiers.export.onnx_session import OnnxSession
from classifiers.weights.checkpoint import CLIP, CheckpointConfig
from schemas.exports import ExportedModel


@dataclass(frozen=True)
class ExportedFile:
    """A file that can be run.

    content  its bytes, as an array that pickles through shared memory without copying
    sha256   of the content
    config   what a checkpoint would say of the network; the training is not known
    """

    exported: ExportedModel
    content: NDArray[np.uint8]
    sha256: str
    config: CheckpointConfig

    @property
    def name(self) -> str:
        """The name in labels: the model, the start of the hash of the weights that were exported, and their form."""
        return f"{self.exported.model}@{self.exported.weights_sha256[:12]}-onnx-{self.exported.precision}"

    def session(self, threads: int) -> OnnxSession:
        """The file, running."""
        return OnnxSession(self.content.tobytes(), threads=threads)


def read_exported(content: bytes, subject: str = "exported file") -> ExportedFile:
    """Check a file; error messages start with `subject`.

    Raises:
        ExportError: if it cannot be used.
        ImportError: if the runtime is not installed.
    """
    exported = OnnxSession(content, subject, is_trial=True).exported
    try:
        config = _config(exported)
    except ValueError as error:
        raise ExportError(f"{subject}: {error}") from error
    return ExportedFile(exported, np.frombuffer(content, np.uint8), hashlib.sha256(content).hexdigest(), config)


def _config(exported: ExportedModel) -> CheckpointConfig:
    return CheckpointConfig(
        model=exported.model,
        options=exported.options,
        num_classes=len(exported.class_names),
        class_names=exported.class_names,
        class_indices=exported.class_indices,
        rgb_dim=0,
        audio_dim=0,
        level=CLIP,
        task=exported.task,
        input_columns=(),
        feature_fingerprint={},
        clips=exported.clips,
        temperature=exported.temperature,
        metrics={},
        training={},
        seed=0,
        weights_sha256=exported.weights_sha256,
    )
