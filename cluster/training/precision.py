"""The precision of a training: the one that is given, the one that it began with, or the choice of `auto`.

`auto` is bf16 where that is faster and loses nothing: for `BF16_MODELS`, where the workers are on this machine and its
CPU multiplies bf16 in hardware (AVX-512 BF16 or AMX). Everywhere else it is fp32. A training that is resumed keeps the
precision that it began with, on any machine.
"""

from __future__ import annotations

from dataclasses import replace

from classifiers.choices import BF16, FP32
from classifiers.training.identity import TrainingIdentity
from cluster.engines.options import LOCAL, cluster_address
from cluster.training.config import FEATURES, TrainingSettings
from cluster.training.engines import is_on_cpu
from cluster.training.option_groups import AUTO
from cluster.training.output import finished_config
from cluster.training.states import StateFolder
from extractors.networks.cpu_precision import has_cpu_bf16

# Models whose metrics in bf16 and in fp32 differ by no more than chance (`benchmarks/training_precision.py`).
BF16_MODELS = frozenset({"dense-2", "dense-3", "dense-4", "dense-5", "dense-6"})


def with_precision(settings: TrainingSettings) -> TrainingSettings:
    """The same training with the choice of `auto`. Raises `InputError` where the output cannot be read."""
    if settings.options.optimisation.precision != AUTO:
        return settings
    begun = _begun_precision(settings.options.output)
    return replace(settings, precision=begun or (BF16 if _gains_by_bf16(settings) else FP32))


def _begun_precision(output: str) -> str | None:
    """The precision of the training that `output` holds, finished or not."""
    config = finished_config(output)
    if config is not None:
        identity: dict[str, str] = config.training.get("identity", {})
        return identity.get("precision")
    states = StateFolder(output, TrainingIdentity({}))
    log = states.resume_log() if states.last() is not None else None  # without a state, nothing is resumed
    return None if log is None else log.precision


def _gains_by_bf16(settings: TrainingSettings) -> bool:
    engine = settings.options.engine
    is_here = engine.engine == LOCAL or cluster_address(engine) is None
    is_known = settings.kind == FEATURES and settings.options.model.model in BF16_MODELS
    return is_known and is_here and is_on_cpu(engine) and has_cpu_bf16()
