"""The common part of trained classifiers of features and of clips.

In: checkpoints by the name that error messages use. Out: a `Classifier` of one model, or of several whose probabilities
are averaged; and `top_classes`, from logits (N, K) to labels. N videos, K classes, k = min(top_k, K).

Classes are ranked by their logits: far from 0, different logits round to the same probability. Equal logits are in
order of the class. Softmax is over all K classes whatever `top_k`, in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.choices import SINGLE_LABEL
from classifiers.metrics.top_predictions import top_predictions
from classifiers.weights.checkpoint import CheckpointConfig, CheckpointError

CLASS_FIELDS = ("task", "num_classes", "class_names", "class_indices")
MAX_CHARACTERS = 60  # of a value in an error message


class Trained(Protocol):
    """A trained network in whatever form: a checkpoint, or a file that was exported from one."""

    @property
    def config(self) -> CheckpointConfig:
        """What it is."""
        ...


class Classifier:
    """Checkpoints with the same classes; `config` is that of the first."""

    def __init__(self, checkpoints: Mapping[str, Trained], equal_fields: Sequence[str] = ()) -> None:
        """`equal_fields` of the configurations must be equal, as well as those of the classes.

        Raises:
            CheckpointError: if they differ.
        """
        self.configs = tuple(checkpoint.config for checkpoint in checkpoints.values())
        self.config = self.configs[0]
        self.is_single_label = self.config.task == SINGLE_LABEL
        _check_equal(dict(zip(checkpoints, self.configs, strict=True)), (*CLASS_FIELDS, *equal_fields))

    @property
    def name(self) -> str:
        """The name in labels: the models, each with the start of its weights' hash."""
        return "+".join(f"{config.model}@{config.weights_sha256[:12]}" for config in self.configs)


def top_classes(
    logits: Tensor, top_k: int, *, is_single_label: bool, temperature: float = 1.0
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The top classes and their probabilities, (N, k) each, from logits (N, K) on the CPU."""
    classes, values = top_predictions(logits.numpy(), top_k)
    top = torch.from_numpy(values).double() / temperature
    if is_single_label:
        total = torch.logsumexp(logits.double() / temperature, dim=1, keepdim=True)
        scores = (top - total).exp()
    else:
        scores = top.sigmoid()
    return classes, scores.clamp(max=1.0).float().numpy()


def _check_equal(configs: Mapping[str, CheckpointConfig], fields: Sequence[str]) -> None:
    (first, reference), *others = configs.items()
    problems = [
        f"{subject}: {name} {_shortened(config, name)}, {first} has {_shortened(reference, name)}"
        for subject, config in others
        for name in fields
        if getattr(config, name) != getattr(reference, name)
    ]
    if problems:
        raise CheckpointError("checkpoints that cannot be averaged", problems)


def _shortened(config: CheckpointConfig, name: str) -> str:
    """The value of a field for an error message."""
    value = getattr(config, name)
    text = str(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 3]}..."
