"""What Ray's trainer is made without exists in Ray; trainings with it are in `tests/cluster/training`."""

from __future__ import annotations

import pytest
from ray.train import ScalingConfig
from ray.train.v2._internal.execution.scaling_policy.fixed import FixedScalingPolicy

from cluster.engines.ray_trainer import LEFT_OUT, GivenSize, LeanTrainer


@pytest.mark.parametrize("is_alone", [False, True])
def test_a_trainer_has_the_other_callbacks_and_asks_no_cluster_of_its_own_to_grow(
    is_alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    trainer = LeanTrainer(print, is_alone=is_alone, scaling_config=ScalingConfig(num_workers=1))
    monkeypatch.setattr(
        LeanTrainer.__mro__[2], "_initialize_and_run_controller", lambda self, **options: given.append(options)
    )
    policy = FixedScalingPolicy(ScalingConfig(num_workers=1))
    trainer._initialize_and_run_controller(scaling_policy=policy)
    (options,) = given
    assert isinstance(options, dict)
    assert isinstance(options["scaling_policy"], GivenSize) == is_alone
    callbacks = trainer._create_default_callbacks()
    assert callbacks
    assert not any(isinstance(callback, LEFT_OUT) for callback in callbacks)
