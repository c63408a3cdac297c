from contextlib import closing

import pytest
import torch

from cluster.engines.base import usable_cores
from cluster.training.base import ResourceError
from cluster.training.local import LocalTraining, make_engine
from tests.support.trainings import plan_of, training_config, write_features


def test_a_worker_has_the_cores_and_gpu_of_this_machine(tmp_path):
    engine = LocalTraining()
    resources = engine.resources(training_config(tmp_path, tmp_path, cpus_per_worker=None).engine)
    assert resources.cpus == usable_cores()
    assert resources.on_gpu == torch.cuda.is_available()
    assert engine.resources(training_config(tmp_path, tmp_path, cpus_per_worker=1, device="cpu").engine).cpus == 1


def test_a_missing_gpu_is_an_error(tmp_path):
    config = training_config(tmp_path, tmp_path, device="gpu")
    if torch.cuda.is_available():
        assert LocalTraining().resources(config.engine).on_gpu
    else:
        with pytest.raises(ResourceError, match="no GPU that torch can use; give --device auto or cpu"):
            LocalTraining().resources(config.engine)


def test_each_epoch_is_reported(tmp_path):
    config = training_config(write_features(tmp_path, 60), tmp_path / "out")
    with closing(make_engine(config.engine)) as engine:
        reported = []
        outcome = engine.run(plan_of(config), engine.resources(config.engine), reported.append)
    assert tuple(reported) == outcome.history.epochs
    assert outcome.device == ("cpu" if not torch.cuda.is_available() else torch.cuda.get_device_name())


@pytest.mark.cuda
def test_an_epoch_on_a_gpu_learns_what_one_on_the_cpu_does(tmp_path):
    features = write_features(tmp_path, 60)
    losses = {}
    for device in ("cpu", "gpu"):
        config = training_config(features, tmp_path / device, device=device)
        with closing(make_engine(config.engine)) as engine:
            outcome = engine.run(plan_of(config), engine.resources(config.engine), lambda epoch: None)
        losses[device] = [epoch.training["loss"] for epoch in outcome.history.epochs]
    assert outcome.device == torch.cuda.get_device_name()
    assert losses["gpu"] == pytest.approx(losses["cpu"], rel=1e-2)
