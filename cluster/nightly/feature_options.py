"""Options of the features of a night, which follow from the feature dataset where they are not given."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from cluster.extraction.config import NetworkOptions, SamplingOptions
from cluster.runs.option import RULE
from cluster.runs.options import Options, options_of

AS_IN_DATASET = "; by default as in the feature dataset"


def as_in_dataset(group: type[Options], name: str) -> Any:
    """An option of extraction that follows from the feature dataset where it is not given."""
    rule = options_of(group)[name].rule
    rule = dataclasses.replace(rule, help=f"{rule.help}{AS_IN_DATASET}", goes_with="features")
    return field(default=None, metadata={RULE: rule})


@dataclass(frozen=True)
class NightlySamplingOptions(Options):
    """Which frames are sampled, and what is kept of them."""

    fps: str | None = as_in_dataset(SamplingOptions, "fps")
    frame_features: bool | None = as_in_dataset(SamplingOptions, "frame_features")
    sampling: str | None = as_in_dataset(SamplingOptions, "sampling")
    max_seconds: int | None = as_in_dataset(SamplingOptions, "max_seconds")


@dataclass(frozen=True)
class NightlyNetworkOptions(Options):
    """Weights of the networks, and how they compute."""

    weights: str | None = as_in_dataset(NetworkOptions, "weights")
    pca: str | None = as_in_dataset(NetworkOptions, "pca")
    audio_weights: str | None = as_in_dataset(NetworkOptions, "audio_weights")
    audio_pca: str | None = as_in_dataset(NetworkOptions, "audio_pca")
    precision: str | None = as_in_dataset(NetworkOptions, "precision")
