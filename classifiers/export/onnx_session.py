"""Runs an exported clip classifier in ONNX Runtime, on one thread of a CPU.

In: the bytes of a file that `classifiers.export.onnx_file` wrote, then pictures, uint8 (N, T, H, W, C). Out: logits and
features, float32. Files that are damaged, of others, or of another version are refused with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.export.feed import State, feed_of, initial_state
from schemas import strict_json
from schemas.exports import METADATA_KEY, SCHEMA_VERSION, ExportedModel

EXTRA = "pip install 'framemill[export]'"
SEVERE_ONLY = 3  # of its log


class ExportError(ValueError):
    """An exported file that cannot be used; the message starts with its name."""


def runtime_library() -> Any:
    """The package `onnxruntime`, or an error that names the extra to install."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"ONNX files are run by another library: {EXTRA}") from error
    return onnxruntime


class OnnxSession:
    """An exported classifier, loaded."""

    def __init__(self, content: bytes, subject: str = "exported file") -> None:
        """Load a file; error messages start with `subject`.

        Raises:
            ExportError: if it is no such file, or of another version.
        """
        runtime = runtime_library()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = SEVERE_ONLY
        try:
            self._session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base
            reason = str(error).splitlines()[0]
            raise ExportError(
                f"{subject}: ONNX Runtime cannot load it, it is damaged or no ONNX file: {reason}"
            ) from error
        self.exported = _exported(self._session.get_modelmeta().custom_metadata_map, subject)
        names = {one.name for one in self._session.get_inputs()}
        expected = {self.exported.input, *(one.input for one in self.exported.state)}
        if names != expected:
            listed = ", ".join(sorted(names ^ expected))
            raise ExportError(f"{subject}: inputs and metadata disagree on {listed}: export the checkpoint again")

    def initial_state(self, videos: int) -> dict[str, NDArray[Any]]:
        """The state of N videos before their first frames, by the names of inputs."""
        return initial_state(self.exported, videos)

    def run(
        self, pictures: NDArray[np.uint8], state: State | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Logits and features of clips (N, …), or of frames (N, T, …) with the state after them.

        Raises:
            ValueError: for pictures of another size than the network's, or a state that does not fit.
        """
        feed = feed_of(self.exported, pictures, state)
        logits, features, *following = self._session.run(None, feed)
        return logits, features, {one.input: value for one, value in zip(self.exported.state, following, strict=True)}


def _exported(metadata: Mapping[str, str], subject: str) -> ExportedModel:
    text = metadata.get(METADATA_KEY)
    if text is None:
        raise ExportError(
            f"{subject}: its metadata have no {METADATA_KEY!r}: only files that jobs/export_model.py wrote are read"
        )
    try:
        return strict_json.load(ExportedModel, text, f"{subject}, {METADATA_KEY}", schema_version=SCHEMA_VERSION)
    except strict_json.JsonMismatchError as error:
        raise ExportError(f"{error}\n  export the checkpoint again, with this release") from error
