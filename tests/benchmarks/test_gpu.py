import json
import sys

import numpy as np
import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu_clips import FAMILIES, FORMS, FROM_PIXELS, TRAINING_STEP


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["gpu.py", *arguments])
    gpu.main()


@pytest.mark.heavy
def test_the_whole_script_runs_on_a_cpu(monkeypatch, tmp_path, capsys):
    path = tmp_path / "figures.json"
    run(monkeypatch, "--device", "cpu", "--seconds", "0.01", "--batch-sizes", "1", "--json", str(path))
    figures = json.loads(path.read_text())
    assert all(row["items_per_second"] > 0 for row in figures["networks"])
    assert {way["limited_by"] for way in figures["product"]["ways"]}
    assert figures["agreement"]["Inception fp32"]["relative_rms"] < 1e-5
    measured = {row["model"] for row in figures["clip_models"] if row.get("clips_per_second", 0) > 0}
    assert measured == set(FAMILIES)
    assert "frames/s is the target on one H200" in capsys.readouterr().out


def test_clip_models_alone(monkeypatch, tmp_path):
    path = tmp_path / "figures.json"
    some = ["--only", "clips", "--clip-models", "c3d", "r3d-18"]
    run(monkeypatch, "--device", "cpu", "--seconds", "0.01", *some, "--json", str(path))
    figures = json.loads(path.read_text())
    assert "networks" not in figures
    forms = {(row["model"], row["form"]) for row in figures["clip_models"]}
    assert forms == {(model, form) for model in ("c3d", "r3d-18") for form in FORMS}
    flops = {(row["model"], row["form"]): row["gflops"] for row in figures["clip_models"]}
    # A backward pass takes twice a forward pass, less the gradient of the first layer's input.
    assert 2.5 < flops["c3d", TRAINING_STEP] / flops["c3d", FROM_PIXELS] <= 3


def test_without_cuda_the_error_suggests_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="sees no CUDA device here; --device cpu"):
        run(monkeypatch)


def test_the_slowest_step_is_named():
    path = {"copy": 9000.0, "resize_on_device": 30000.0, "whole_way": 8500.0}
    assert gpu.limiting_step(path, 20000.0) == "copies from the host"
    assert gpu.limiting_step(path, 8600.0) == "the network"
    assert gpu.limiting_step(path | {"whole_way": 1000.0}, 20000.0) == "the host thread that feeds the device"


def test_equal_embeddings_agree():
    rows = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    assert gpu.agreement(rows, rows)["lowest_cosine"] == pytest.approx(1.0)
    assert gpu.agreement(rows, rows)["codes_that_differ"] == 0
    assert gpu.agreement(rows + 0.02, rows)["most_steps"] >= 1
