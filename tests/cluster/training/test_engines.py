from contextlib import closing

import pytest
import torch

from cluster.engines.base import usable_cores
from cluster.training.base import ResourceError
from cluster.training.engines import make_training_engine
from cluster.training.local import LocalTraining
from tests.support.trainings import plan_of, training_config, write_features


def test_this_process_uses_what_there_is(tmp_path):
    engine = LocalTraining()
    resources = engine.resources(training_config(tmp_path, tmp_path, cpus_per_worker=None).engine)
    assert resources.cpus == usable_cores()
    assert resources.on_gpu == torch.cuda.is_available()
    assert engine.resources(training_config(tmp_path, tmp_path, cpus_per_worker=1, device="cpu").engine).cpus == 1


def test_a_gpu_is_used_or_missed(tmp_path):
    config = training_config(tmp_path, tmp_path, device="gpu")
    if torch.cuda.is_available():
        assert LocalTraining().resources(config.engine).on_gpu
    else:
        with pytest.raises(ResourceError, match="no GPU"):
            LocalTraining().resources(config.engine)


def test_it_tells_of_each_epoch(tmp_path):
    config = training_config(write_features(tmp_path, 60), tmp_path / "out")
    with closing(make_training_engine(config.engine)) as engine:
        told = []
        outcome = engine.run(plan_of(config), engine.resources(config.engine), told.append)
    assert tuple(told) == outcome.history.epochs
    assert outcome.device == ("cpu" if not torch.cuda.is_available() else torch.cuda.get_device_name())
