"""Training engines by name; their modules are imported on demand, because Ray is heavy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch

from cluster.engines.options import LOCAL, RAY, cluster_address
from cluster.training.base import ResourceError, TrainingEngine
from cluster.training.option_groups import CPU, GPU, TrainingEngineOptions

# Modules with a `make_engine(options, cluster)`.
TRAINING_ENGINES = {RAY: "cluster.training.ray", LOCAL: "cluster.training.local"}


def make_training_engine(options: TrainingEngineOptions, cluster: Any = None) -> TrainingEngine:
    """The engine that the options name; `cluster` is a connection to Ray, if there is one already."""
    engine: TrainingEngine = import_module(TRAINING_ENGINES[options.engine]).make_engine(options, cluster)
    return engine


def is_on_cpu(options: TrainingEngineOptions) -> bool:
    """Whether it is certain that workers are on CPUs, before the engine starts.

    Raises:
        ResourceError: where `--device gpu` asks for what this machine lacks.
    """
    is_here = options.engine == LOCAL or cluster_address(options) is None
    has_none = is_here and torch.cuda.device_count() == 0
    if has_none and options.device == GPU:
        raise ResourceError("--device gpu: this machine has no GPU that torch can use; give --device auto or cpu")
    return has_none or options.device == CPU
