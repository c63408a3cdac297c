"""Which precision `auto` chooses, and that a training keeps the one that it began with."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from classifiers.choices import FEATURE_MODELS
from classifiers.training.identity import TrainingIdentity
from cluster.runs.command_line import parse
from cluster.training import precision
from cluster.training.config import TrainingOptions
from cluster.training.job import run_training
from cluster.training.precision import BF16_MODELS, with_precision
from cluster.training.states import StateFolder
from tests.support.trainings import clip_config, curve, record_of, training_config

Cpu = Callable[[bool], None]


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> Cpu:
    """Says whether the CPU multiplies bf16 in hardware; at first it does."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)

    def has(answer: bool) -> None:
        monkeypatch.setattr(precision, "has_cpu_bf16", lambda: answer)

    has(True)
    return has


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "bf16"),
        ({"engine": "ray"}, "bf16"),
        ({"precision": "fp32"}, "fp32"),
        ({"model": "logistic"}, "fp32"),
        ({"model": "logistic", "precision": "bf16"}, "bf16"),
        ({"engine": "ray", "address": "host:6379"}, "fp32"),  # whose CPUs nobody knows
        ({"engine": "ray", "address": "host:6379", "device": "cpu"}, "fp32"),
    ],
)
def test_auto_is_bf16_where_that_is_faster_and_as_good(
    options: dict[str, Any], expected: str, cpu: Cpu, tmp_path: Path
) -> None:
    settings = with_precision(training_config(tmp_path, tmp_path / "out", **options).settings())
    assert settings.precision == settings.training_config(1, None).precision == expected
    assert settings.configuration()["precision"] == settings.identity()["precision"] == expected


def test_auto_is_fp32_elsewhere(cpu: Cpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, clips = training_config(tmp_path, tmp_path / "out"), clip_config(tmp_path, tmp_path / "out")
    assert with_precision(clips.settings()).precision == "fp32"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert with_precision(features.settings()).precision == "fp32"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    cpu(False)
    assert with_precision(features.settings()).precision == "fp32"
    assert set(FEATURE_MODELS) >= BF16_MODELS


def test_a_training_keeps_its_precision(
    dataset: Path, cpu: Cpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="framemill")
    whole, output = training_config(dataset, tmp_path / "whole"), tmp_path / "out"
    assert run_training(whole) == 0
    assert "dense-5 in bf16" in caplog.text

    def interrupt(record: Any, settings: Any, states: Any) -> None:
        if record.epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cluster.training.job._log_epoch", interrupt)
        assert run_training(training_config(dataset, output)) == 130
    cpu(False)
    assert run_training(training_config(dataset, output, precision="fp32")) == 2
    assert "precision was 'bf16', is 'fp32'" in caplog.text
    assert run_training(training_config(dataset, output)) == 0
    record = record_of(output)
    assert record.configuration["precision"] == "bf16"
    again = parse(TrainingOptions, ["--config", str(output / "training.toml")])
    assert with_precision(again.settings()).precision == "bf16"  # on a CPU on which `auto` is fp32
    assert json.loads((output / "config.json").read_text())["training"]["identity"]["precision"] == "bf16"
    assert curve(record.history) == curve(record_of(tmp_path / "whole").history)
    assert (output / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert run_training(training_config(dataset, output)) == 0
    assert "finished: nothing to do" in caplog.text


def test_one_that_was_given_up_before_its_first_epoch_ended_decides_nothing(cpu: Cpu, tmp_path: Path) -> None:
    states = StateFolder(str(tmp_path), TrainingIdentity({}))
    states.begin(0, "bf16")
    assert with_precision(training_config(tmp_path, tmp_path, model="netvlad").settings()).precision == "fp32"
    assert states.begin(0, "fp32").precision == "fp32"


def test_one_that_an_earlier_release_has_begun_stays_in_fp32(cpu: Cpu, tmp_path: Path) -> None:
    StateFolder(str(tmp_path), TrainingIdentity({})).begin(0, "fp32")
    (tmp_path / "state" / "epoch-0001.safetensors").write_bytes(b"")
    course = tmp_path / "state" / "course.json"
    course.write_text(json.dumps({n: v for n, v in json.loads(course.read_text()).items() if n != "precision"}))
    assert with_precision(training_config(tmp_path, tmp_path).settings()).precision == "fp32"
