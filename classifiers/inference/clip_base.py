"""The common part of clip classifiers, whatever runs their networks: what a video is sampled into, and averaged from.

In: outputs (V, F + K) for the V clips (views and crops) of a video, for each clip the features of the first network,
then joint logits. Out: the labels and the embedding of the video. F features, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.inference.base import Classifier, Trained, top_classes
from classifiers.inference.ensemble import mean_probability
from classifiers.weights.checkpoint import CheckpointError
from schemas.clips import ClipInput
from schemas.commands import job

VIEW_FIELDS = ("views", "crops")


class ClipClassifier(Classifier):
    """Trained clip classifiers of one input.

    backend         what runs the networks
    clips           what they take
    views           the mean over the clips of a video
    stream_members  how many of them are stream networks
    """

    backend: ClassVar[str]

    def __init__(self, checkpoints: Mapping[str, Trained], *, feature_dim: int, stream_members: int) -> None:
        """`feature_dim` is that of the first.

        Raises:
            CheckpointError: for networks that cannot be averaged.
        """
        super().__init__(checkpoints)
        self.clips = _common_input({subject: one.config.clips for subject, one in checkpoints.items()})
        self.views = ViewMean(feature_dim, self.is_single_label)
        self.stream_members = stream_members

    @property
    def dim(self) -> int:
        """F + K."""
        return self.views.feature_dim + self.config.num_classes

    @property
    def is_stream(self) -> bool:
        """Whether all networks can watch a video frame by frame."""
        return self.stream_members == len(self.configs)

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """What changes its outputs beside weights and precision."""
        return {}


@dataclass(frozen=True)
class ViewMean:
    """The mean over the clips of a video."""

    feature_dim: int
    is_single_label: bool

    def embedding(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The embedding (F,) of the video: the mean of the features."""
        mean: NDArray[np.float32] = outputs[:, : self.feature_dim].mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean

    def top_classes(self, outputs: NDArray[np.float32], top_k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The top classes, as positions in `class_names`, and their mean probabilities, (k,) each."""
        logits = torch.from_numpy(outputs[:, self.feature_dim :]).double()  # (V, K)
        if len(logits) > 1:
            logits = mean_probability(logits, multi_label=not self.is_single_label)[None]
        classes, scores = top_classes(logits, top_k, is_single_label=self.is_single_label)
        return classes[0], scores[0]


def _common_input(inputs: Mapping[str, ClipInput | None]) -> ClipInput:
    """The input of the first, which must be that of all."""
    clips, *others = (one for one in inputs.values() if one is not None)
    assert 1 + len(others) == len(inputs)  # of clip classifiers
    expected = _input_fields(clips)
    differences = [
        f"{subject}: {key} is {value}, not {expected.get(key)}"
        for subject, one in inputs.items()
        if one is not None
        for key, value in _input_fields(one).items()
        if value != expected.get(key)
    ]
    if len({one.format.channels for one in inputs.values() if one is not None}) > 1:
        differences.append(f"an i3d of RGB and one of flow become one checkpoint with {job('join_streams')}")
    if differences:
        raise CheckpointError("checkpoints with different clips cannot be averaged", differences)
    return clips


def _input_fields(clips: ClipInput) -> dict[str, Any]:
    """The fields of the input that averaged models must share; the number of views is chosen when scoring."""
    sampling = {key: value for key, value in clips.sampling.items() if key not in VIEW_FIELDS}
    return {**asdict(clips.format), **sampling}
