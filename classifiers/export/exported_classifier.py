"""Exported clip classifiers at work: one file, or several whose probabilities are averaged, in ONNX Runtime on a CPU.

In and out are those of `classifiers.inference.clip_classifier`, whose place they take: clips, uint8 (N, T, H, W, C), to
features and joint logits, float32 (N, F + K); of stream networks also frames and a state to the joint logits of each
frame, and the state after them. The precision is that of the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from classifiers.export.exported_file import ExportedFile
from classifiers.export.onnx_session import OnnxSession
from classifiers.inference.clip_base import ClipClassifier
from classifiers.inference.ensemble import joint_logits
from classifiers.inference.joint_state import joint_state, own_states
from classifiers.layers.stream import State
from schemas.exports import STREAM


class ExportedClipClassifier(ClipClassifier):
    """Exported classifiers, whose files pickle with it."""

    backend = "onnx"

    def __init__(self, exported: Mapping[str, ExportedFile]) -> None:
        """`exported` by the name that error messages use.

        Raises:
            CheckpointError: for networks that cannot be averaged.
        """
        self._files = list(exported.values())
        super().__init__(
            exported,
            feature_dim=self._files[0].exported.feature_dim,
            stream_members=sum(one.exported.kind == STREAM for one in self._files),
        )

    @property
    @override
    def name(self) -> str:
        return "+".join(one.name for one in self._files)

    @property
    @override
    def fingerprint(self) -> Mapping[str, str]:
        return {"clips.backend": self.backend, "clips.files": " ".join(one.sha256 for one in self._files)}

    @property
    def precision(self) -> str:
        """Of the files: one, or each."""
        precisions = [one.exported.precision for one in self._files]
        return precisions[0] if len(set(precisions)) == 1 else "+".join(precisions)

    def build(self, threads: int = 1) -> ExportedEnsemble:
        """The files, running."""
        temperatures = [config.temperature for config in self.configs]
        sessions = [one.session(threads) for one in self._files]
        return ExportedEnsemble(sessions, temperatures, multi_label=not self.is_single_label)


class ExportedEnsemble:
    """Exported classifiers of one input format, running."""

    def __init__(self, sessions: Sequence[OnnxSession], temperatures: Sequence[float], *, multi_label: bool) -> None:
        self._sessions, self._temperatures, self._multi_label = sessions, temperatures, multi_label

    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (N, T, H, W, C) to the features of the first and the joint logits, (N, F + K).

        Of stream networks, those of the last frame.
        """
        outputs = [self._of_clips(session, clips) for session in self._sessions]
        joint = self._joint([logits for logits, _ in outputs]).numpy()
        return np.concatenate([outputs[0][1], joint], axis=1)

    def stream(self, frames: NDArray[np.uint8], state: State) -> tuple[Tensor, State]:
        """Frames (N, T, H, W, C) of any T to the joint logits (N, T, K), and the state after them.

        All are stream networks. An empty state is that at the start.

        Raises:
            ValueError: if the state is of other networks, or not of as many videos and this size.
        """
        owns = own_states(state, len(self._sessions))
        results = [
            session.run(frames, {key: value.numpy() for key, value in own.items()})
            for session, own in zip(self._sessions, owns, strict=True)
        ]
        following = [{key: torch.from_numpy(value) for key, value in own.items()} for _, _, own in results]
        return self._joint([logits for logits, _, _ in results]), joint_state(following)

    @staticmethod
    def _of_clips(session: OnnxSession, clips: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Logits (N, K) and features (N, F)."""
        logits, features, _ = session.run(clips)
        return (logits[:, -1], features[:, -1]) if session.exported.kind == STREAM else (logits, features)

    def _joint(self, logits: Sequence[NDArray[np.float32]]) -> Tensor:
        parts = [torch.from_numpy(own) / each for own, each in zip(logits, self._temperatures, strict=True)]
        return joint_logits(parts, multi_label=self._multi_label)
