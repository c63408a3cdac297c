"""The engines by name; their modules are imported when asked for, because each brings a heavy library."""

from __future__ import annotations

from importlib import import_module

from cluster.engines.base import Engine
from cluster.engines.options import BEAM, LOCAL, RAY, EngineOptions

# Modules with a `make_engine(options, staging)`.
MODULES = {RAY: "cluster.engines.ray", LOCAL: "cluster.engines.local", BEAM: "cluster.engines.beam"}


def make_engine(options: EngineOptions, staging: str = "staging") -> Engine:
    """The engine that `options` name; `staging` is a place that all workers and the driver can reach."""
    engine: Engine = import_module(MODULES[options.engine]).make_engine(options, staging)
    return engine
