"""The engines by name; their modules are imported when asked for, because each brings a heavy library."""

from __future__ import annotations

from importlib import import_module

from cluster.engines.base import Engine, EngineConfig

# Modules that have a `make_engine(config)`.
ENGINES = {"ray": "cluster.engines.ray", "local": "cluster.engines.local", "beam": "cluster.engines.beam"}


def make_engine(name: str, config: EngineConfig) -> Engine:
    """The engine of that name."""
    if name not in ENGINES:
        raise ValueError(f"no engine {name!r}; known are {', '.join(ENGINES)}")
    engine: Engine = import_module(ENGINES[name]).make_engine(config)
    return engine
