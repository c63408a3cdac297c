"""Training engines by name; their modules are imported on demand, because Ray is heavy."""

from __future__ import annotations

from importlib import import_module

from cluster.engines.options import LOCAL, RAY
from cluster.training.base import TrainingEngine
from cluster.training.option_groups import TrainingEngineOptions

# Modules with a `make_engine(options)`.
TRAINING_ENGINES = {RAY: "cluster.training.ray", LOCAL: "cluster.training.local"}


def make_training_engine(options: TrainingEngineOptions) -> TrainingEngine:
    """The engine that the options name."""
    engine: TrainingEngine = import_module(TRAINING_ENGINES[options.engine]).make_engine(options)
    return engine
