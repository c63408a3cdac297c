"""Runs an exported clip classifier in ONNX Runtime, on one thread of a CPU or on several.

In: the bytes of a file that `classifiers.export.onnx_file` wrote, then pictures, uint8 (N, T, H, W, C). Out: logits and
features, float32. Files that are damaged, of others, or of another version are refused with the reason, as are those
whose network is not what their metadata say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.export.feed import State, feed_of, initial_state
from classifiers.export.libraries import runtime_library
from classifiers.export.onnx_contents import ExportError, check_contents, shown
from schemas import strict_json
from schemas.commands import job
from schemas.exports import FEATURES, LOGITS, METADATA_KEY, SCHEMA_VERSION, STREAM, ExportedModel

SEVERE_ONLY = 3  # of its log
CONFIGURATION = (
    ("session.load_model_format", "ONNX"),  # what was checked, or bytes that are also in its own format would be that
    ("session.intra_op.allow_spinning", "0"),  # in wait for the next frame
)
MAX_METADATA_CHARACTERS = 1 << 24  # 100,000 classes have some 4 million
MAX_LISTED = 5
TYPES = {"float32": "tensor(float)", "int64": "tensor(int64)", "uint8": "tensor(uint8)"}  # as it calls them


class OnnxSession:
    """An exported classifier, loaded."""

    def __init__(
        self, content: bytes, subject: str = "exported file", *, threads: int = 1, is_trial: bool = False
    ) -> None:
        """Load a file; error messages start with `subject`.

        One that is loaded on trial, to see whether it can be, is not rewritten for speed: that would compute whatever
        is constant in it.

        Raises:
            ExportError: if it is no such file, or of another version.
        """
        check_contents(content, subject)
        runtime = runtime_library()
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        for entry in CONFIGURATION:
            options.add_session_config_entry(*entry)
        options.log_severity_level = SEVERE_ONLY
        if is_trial:
            options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base
            reason = shown((str(error).splitlines() or [""])[0])
            raise ExportError(f"{subject}: ONNX Runtime cannot load it, it is damaged: {reason}") from error
        self.exported = _exported(self._session.get_modelmeta().custom_metadata_map, subject)
        problem = next(_disagreements(self._session, self.exported), None)
        if problem is not None:
            raise ExportError(f"{subject}: network and metadata disagree: {problem}; export the checkpoint again")

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
        exported = self.exported
        feed = feed_of(exported, pictures, state)
        logits, features, *following = self._session.run(exported.output_names, feed)
        return logits, features, {one.input: value for one, value in zip(exported.state, following, strict=True)}


def _disagreements(session: Any, exported: ExportedModel) -> Iterator[str]:
    """Where inputs and outputs are not those that the metadata name; sizes that are free have names."""
    inputs, outputs = ({one.name: one for one in ends} for ends in (session.get_inputs(), session.get_outputs()))
    for ends, names, kind in ((inputs, exported.input_names, "inputs"), (outputs, exported.output_names, "outputs")):
        if ends.keys() != set(names):
            yield f"{kind} differ in {', '.join(map(shown, sorted(ends.keys() ^ set(names))[:MAX_LISTED]))}"
            return
    form = exported.clips.format
    frames = None if exported.kind == STREAM else form.frames
    expected: dict[str, tuple[tuple[int | None, ...], str]] = {
        exported.input: ((None, frames, form.height, form.width, form.channels), "uint8"),
        **{one.input: ((None, *one.shape), one.dtype) for one in exported.state},
    }
    for name, (shape, dtype) in expected.items():
        found = [size if isinstance(size, int) else None for size in inputs[name].shape]
        if found != list(shape) or inputs[name].type != TYPES[dtype]:
            yield f"{name} is {inputs[name].type} {inputs[name].shape}, not {TYPES[dtype]} {list(shape)}"
    for name, width in ((LOGITS, len(exported.class_names)), (FEATURES, exported.feature_dim)):
        if outputs[name].shape[-1:] != [width] or outputs[name].type != TYPES["float32"]:
            yield f"{name} is {outputs[name].type} {outputs[name].shape}, not {width} wide"


def _exported(metadata: Mapping[str, str], subject: str) -> ExportedModel:
    text = metadata.get(METADATA_KEY)
    if text is not None and len(text) > MAX_METADATA_CHARACTERS:
        raise ExportError(
            f"{subject}: its metadata have {len(text):,} characters, at most {MAX_METADATA_CHARACTERS:,} are read"
        )
    if text is None:
        raise ExportError(
            f"{subject}: its metadata have no {METADATA_KEY!r}: only files that {job('export_model')} wrote are read"
        )
    try:
        return strict_json.load(ExportedModel, text, f"{subject}, {METADATA_KEY}", schema_version=SCHEMA_VERSION)
    except strict_json.JsonMismatchError as error:
        raise ExportError(f"{error}\n  export the checkpoint again, with this release") from error
