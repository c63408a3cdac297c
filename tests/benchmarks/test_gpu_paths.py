import numpy as np
import pytest

from benchmarks.gpu_paths import agreement, limiting_step


def test_the_slowest_step_is_named():
    path = {"copy": 9000.0, "resize_on_device": 30000.0, "whole_way": 8500.0}
    assert limiting_step(path, 20000.0) == "copies from the host"
    assert limiting_step(path, 8600.0) == "the network"
    assert limiting_step(path | {"whole_way": 1000.0}, 20000.0) == "the host thread that feeds the device"


def test_equal_embeddings_agree():
    rows = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    assert agreement(rows, rows)["lowest_cosine"] == pytest.approx(1.0)
    assert agreement(rows, rows)["codes_that_differ"] == 0
    assert agreement(rows + 0.02, rows)["most_steps"] >= 1
