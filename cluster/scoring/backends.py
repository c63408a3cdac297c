"""What runs clip classifiers: a table of backends, each with what it reads and the networks that it makes of that.

torch  the folder of a checkpoint, in any precision, on CPU cores or on GPUs
onnx   a file of `jobs/export_model.py`, in its own precision, in ONNX Runtime on CPU cores
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from classifiers.export.exported_classifier import ExportedClipClassifier
from classifiers.export.exported_file import ExportedFile, read_exported
from classifiers.export.onnx_contents import MAX_FILE_BYTES, ExportError
from classifiers.inference.base import Trained
from classifiers.inference.clip_base import ClipClassifier
from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.layers.stream import State
from classifiers.weights.checkpoint import CLIP, CONFIG_FILE, Checkpoint, CheckpointError, read_config
from cluster.scoring.backend_choice import EXPORTED_NAME, ONNX, TORCH, exported_file, is_exported
from cluster.scoring.clip_network import ClipNetwork
from cluster.scoring.onnx_network import OnnxClipNetwork, OnnxStreamNetwork
from cluster.scoring.plan import read_checkpoint_at
from cluster.scoring.stream_network import StreamNetwork, memory_frames
from cluster.storage import files
from extractors.networks.precision import resolve_device, resolve_precision
from schemas.commands import job
from schemas.errors import InputError


class ClipRunner(Protocol):
    """Runs networks on clips. Cheap to make and to pickle."""

    def setup(self) -> None:
        """Load the networks, once per process."""
        ...

    def embed_prepared(self, rows: Iterable[Tensor]) -> NDArray[np.float32]:
        """Features and logits (N, F + K) of clips, each uint8 (T, H, W, C), as they come."""
        ...


class StreamRunner(Protocol):
    """Runs stream networks on the frames of a video. Cheap to make and to pickle."""

    num_classes: int

    def setup(self) -> None:
        """Load the networks, once per process."""
        ...

    def watch(self, frames: NDArray[np.uint8], state: State) -> tuple[Tensor, State]:
        """The logits (T, K) of frames (T, H, W, C), and the state after them; at the start, the state is empty."""
        ...


class Backend(ABC):
    """What runs clip classifiers.

    runs_on_gpus  whether it does where there are any
    """

    name: ClassVar[str]
    runs_on_gpus: ClassVar[bool]

    @abstractmethod
    def read(self, uri: str) -> Trained:
        """What is at the place of a checkpoint. Raises `CheckpointError`, `InputError` or `OSError` if it is no use."""

    @abstractmethod
    def classifier(self, trained: Mapping[str, Any]) -> ClipClassifier:
        """The classifier of what was read, by its places. Raises `CheckpointError` for what cannot be averaged."""

    @abstractmethod
    def precision(self, classifier: Any, asked: str, *, on_gpu: bool) -> str:
        """The precision that is meant. Raises `ValueError` for one that this machine lacks."""

    @abstractmethod
    def live_precision(self, classifier: Any, asked: str) -> str:
        """Likewise where each look waits for the one before it, on the device of this process."""

    @abstractmethod
    def memory_frames(self, classifier: Any, seconds: float | None) -> int | None:
        """The frames of a memory of so many seconds; None for all. Raises `ValueError` where it cannot be had."""

    @abstractmethod
    def clip_network(self, classifier: Any, precision: str, *, threads: int = 1, is_live: bool = False) -> ClipRunner:
        """The networks, to be given clips, one at a time if they are live."""

    @abstractmethod
    def stream_network(
        self,
        classifier: Any,
        precision: str,
        *,
        threads: int = 1,
        is_live: bool = False,
        memory_frames: int | None = None,
    ) -> StreamRunner:
        """The stream networks, to be given frames; on a GPU, if there is one, only if they are live.

        `memory_frames` is an answer of the method of that name.
        """


class TorchBackend(Backend):
    """Checkpoints in torch."""

    name = TORCH
    runs_on_gpus = True

    @override
    def read(self, uri: str) -> Checkpoint:
        return read_checkpoint_at(uri)

    @override
    def classifier(self, trained: Mapping[str, Checkpoint]) -> TrainedClipClassifier:
        return TrainedClipClassifier(trained)

    @override
    def precision(self, classifier: TrainedClipClassifier, asked: str, *, on_gpu: bool) -> str:
        if on_gpu:
            return "bf16" if asked == "auto" else asked
        return resolve_precision(asked, torch.device("cpu"))

    @override
    def live_precision(self, classifier: TrainedClipClassifier, asked: str) -> str:
        device = resolve_device("auto")
        if asked == "auto" and classifier.is_stream and device.type == "cpu":
            return "fp32"  # of a single frame, bf16 saves nothing
        return resolve_precision(asked, device)

    @override
    def memory_frames(self, classifier: TrainedClipClassifier, seconds: float | None) -> int | None:
        return memory_frames(classifier, seconds)

    @override
    def clip_network(
        self, classifier: TrainedClipClassifier, precision: str, *, threads: int = 1, is_live: bool = False
    ) -> ClipNetwork:
        return ClipNetwork(classifier, precision, threads=threads, batch_clips=1 if is_live else None)

    @override
    def stream_network(
        self,
        classifier: TrainedClipClassifier,
        precision: str,
        *,
        threads: int = 1,
        is_live: bool = False,
        memory_frames: int | None = None,
    ) -> StreamNetwork:
        device = "auto" if is_live else "cpu"
        return StreamNetwork(classifier, precision, memory_frames=memory_frames, device=device, threads=threads)


class OnnxBackend(Backend):
    """Exported files in ONNX Runtime; a folder stands for the file in it."""

    name = ONNX
    runs_on_gpus = False

    @override
    def read(self, uri: str) -> ExportedFile:
        file = exported_file(uri)
        try:
            return read_exported(files.read_at_most(file, MAX_FILE_BYTES), file)
        except ExportError as error:
            raise InputError(str(error)) from error
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(_nothing_exported(uri)) from None

    @override
    def classifier(self, trained: Mapping[str, ExportedFile]) -> ExportedClipClassifier:
        return ExportedClipClassifier(trained)

    @override
    def precision(self, classifier: ExportedClipClassifier, asked: str, *, on_gpu: bool) -> str:
        return classifier.precision

    @override
    def live_precision(self, classifier: ExportedClipClassifier, asked: str) -> str:
        return classifier.precision

    @override
    def memory_frames(self, classifier: ExportedClipClassifier, seconds: float | None) -> int | None:
        if seconds is not None:
            raise ValueError(
                f"--memory-seconds is {seconds:g}, but the memory of {classifier.name} is built into its file: export "
                "the checkpoint with --memory-seconds, and leave it out here"
            )
        return None

    @override
    def clip_network(
        self, classifier: ExportedClipClassifier, precision: str, *, threads: int = 1, is_live: bool = False
    ) -> OnnxClipNetwork:
        return OnnxClipNetwork(classifier, threads=threads)

    @override
    def stream_network(
        self,
        classifier: ExportedClipClassifier,
        precision: str,
        *,
        threads: int = 1,
        is_live: bool = False,
        memory_frames: int | None = None,
    ) -> OnnxStreamNetwork:
        return OnnxStreamNetwork(classifier, threads=threads)


def _nothing_exported(uri: str) -> str:
    """That a place holds no exported file, and what to do."""
    if is_exported(uri):
        return f"{uri}: there is no such file; {job('export_model')} writes it from a checkpoint"
    try:
        config = read_config(files.read_bytes(files.join(uri, CONFIG_FILE)), uri)
    except (CheckpointError, InputError, OSError):
        return f"{uri}: --backend onnx runs {EXPORTED_NAME} in it, and there is none"
    if config.level != CLIP:
        return f"{uri}: model {config.model!r} takes {config.takes}, which torch alone runs: leave --backend onnx out"
    export = f"{job('export_model')} --checkpoint {uri} --output {exported_file(uri)}"
    return f"{uri}: --backend onnx runs {EXPORTED_NAME} in it, and there is none: write it with {export}"


BACKENDS: Mapping[str, Backend] = {backend.name: backend for backend in (TorchBackend(), OnnxBackend())}
