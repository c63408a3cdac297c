"""Trained classifiers of clips at work on a live view: a look → the top classes.

In: T frames of a clip or, where all classifiers are stream networks, one frame, each uint8 (H, W, 3). Out: positions
and probabilities (k,) of the top classes. Stream networks keep their state from look to look.

On a GPU if there is one; convolutions and matrix products run in the given precision, the head in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.clip_models.streaming import StreamModel
from classifiers.inference.base import top_classes
from classifiers.inference.clip_classifier import ClipEnsemble, TrainedClipClassifier
from classifiers.inference.ensemble import mean_probability
from classifiers.layers.stream import State
from extractors.networks.precision import PRECISIONS, configure_torch


class LiveNetwork:
    """Networks of one input format, ready to run.

    is_stream  whether they look at every frame, and not at clips
    frames     of a look
    """

    def __init__(self, trained: TrainedClipClassifier, precision: str, threads: int) -> None:
        """`precision` is one of `extractors.networks.precision.PRECISIONS` but int8, or auto.

        Raises:
            ValueError: for a precision that this machine lacks.
        """
        self._device, self.precision = configure_torch("auto", precision, threads)
        self._dtype = PRECISIONS[self.precision]
        self._is_single_label, self._feature_dim = trained.is_single_label, trained.views.feature_dim
        self._ensemble: ClipEnsemble = trained.build()
        self._ensemble.reduce(self._dtype)
        self._ensemble.to(self._device)
        self.is_stream = all(isinstance(model, StreamModel) for model in self._ensemble.models)
        form = trained.clips.format
        self.frames = 1 if self.is_stream else form.frames
        self.restart()
        self([np.zeros((form.height, form.width, form.channels), np.uint8)] * self.frames, 1)  # chooses its kernels
        self.restart()

    def restart(self) -> None:
        """Forget all frames: what follows is another video."""
        self._states: list[State] = [{} for _ in self._ensemble.models]

    def __call__(self, frames: Sequence[NDArray[np.uint8]], top_k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The top classes after these frames, as positions in `class_names`, and their probabilities, (k,) each.

        Raises:
            FloatingPointError: for scores that are not finite.
        """
        clip = torch.from_numpy(np.stack(frames))[None].to(self._device)  # (1, T, H, W, C)
        with torch.inference_mode():
            values = self._ensemble.prepare(clip).to(self._dtype, memory_format=torch.channels_last_3d)
            logits = self._stream(values) if self.is_stream else self._ensemble(values)[:, self._feature_dim :]
        if not torch.isfinite(logits).all():
            raise FloatingPointError("the network returned numbers that are not finite: give another --precision")
        places, scores = top_classes(logits.cpu(), top_k, is_single_label=self._is_single_label)
        return places[0], scores[0]

    def _stream(self, values: Tensor) -> Tensor:
        """The joint logits (1, K) after frames (1, C, T, H, W)."""
        ensemble, logits = self._ensemble, []
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32, cache_enabled=False):
            for number, model in enumerate(ensemble.models):
                assert isinstance(model, StreamModel)
                features, self._states[number] = model.stream_features(values, self._states[number])
                logits.append(features[:, -1].float())
        members = zip(ensemble.models, logits, ensemble.temperatures, strict=True)
        joint = torch.stack([model.forward_head(features) / temperature for model, features, temperature in members])
        return mean_probability(joint, multi_label=ensemble.multi_label) if len(joint) > 1 else joint[0]
