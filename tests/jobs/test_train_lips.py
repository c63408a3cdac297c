"""Lip readers are trained, from a manifest to a checkpoint that reads."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from classifiers.inference.lip_reader import LipReader, log_probabilities
from classifiers.text.decoder import TextDecoder
from classifiers.training.workers import SingleWorker
from classifiers.weights.checkpoint import read_checkpoint
from cluster.clips.mouth_decoder import MouthTask, decode
from cluster.runs.lifecycle import ExitCode
from cluster.training.job import run_training
from cluster.training.worker import TrainingWorker
from schemas.trainings import Epoch
from schemas.videos import Video
from tests.support.animations import durations_of
from tests.support.lip_trainings import TEXTS, lip_config, write_manifest
from tests.support.pages import Page
from tests.support.trainings import FILES, curve, plan_of, record_of, train_here


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_manifest(tmp_path_factory.mktemp("spoken"))


def test_a_training_leaves_a_reader_a_record_and_a_page(
    manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "out"
    caplog.set_level("INFO", "framemill")
    options = {"curriculum": 0.5, "augment": ("flip=0.5", "shift=2", "drop=0.05", "repeat=0.05")}
    config = lip_config(manifest, output, clip_cache=str(tmp_path / "cache"), without_pictures=False, **options)
    assert run_training(config) is ExitCode.DONE
    assert {path.name for path in output.iterdir()} >= FILES
    record = record_of(output)
    assert (record.level, record.task, record.monitor) == ("lip", "transcription", "word_error_rate")
    assert [one.name for one in record.texts] == ["training", "validation"]
    assert {one.text for one in record.texts[1].best} == set(TEXTS[4:])
    assert record.texts[1].best[0].uri.endswith(".mp4")
    assert len(record.history[0].examples) == 2
    assert caplog.text.count("  said: ") == caplog.text.count("  read: ") == 4
    shown = [*record.texts[1].worst, *record.texts[1].best]
    page = Page((output / "training.html").read_text())
    images = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    lasting = [sum(durations_of(b64decode(image.removeprefix("data:image/webp;base64,")))) for image in images]
    assert lasting == [400] * len(shown)  # of 9 frames each

    files = {name: (output / name).read_bytes() for name in ("model.safetensors", "config.json", "history.json")}
    reader = LipReader(read_checkpoint(files))
    video = Video("v0", record.texts[0].best[0].uri)
    crops = decode(MouthTask(video=video, look=reader.look, memory_bytes=1 << 30, time_seconds=60))
    (logs,) = log_probabilities(reader.build(), [crops], reader.look)
    assert logs.shape == (len(crops), 5)
    assert set(reader.read(logs, TextDecoder(reader.alphabet)).text) <= set("abc ")
    assert run_training(config) is ExitCode.DONE  # finished: nothing to do


@pytest.mark.heavy
def test_an_interrupted_training_comes_to_the_same_weights(manifest: Path, tmp_path: Path) -> None:
    options = {"epochs": 3, "augment": ("shift=2", "drop=0.1"), "curriculum": 0.5}
    unbroken = train_here(plan_of(lip_config(manifest, tmp_path / "one", **options)))
    plan = replace(plan_of(lip_config(manifest, tmp_path / "two", **options)), progress_every_seconds=0.0)

    def stop(record: Epoch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TrainingWorker(plan, SingleWorker(), 1, device=torch.device("cpu"), report=stop)()
    resumed = train_here(plan)
    assert resumed.resume_log is not None
    assert resumed.resume_log.resumed_at_epoch == (1,)
    assert curve(resumed.history) == curve(unbroken.history)
    for name, value in unbroken.state.items():
        assert torch.equal(value, resumed.state[name]), name


@pytest.mark.heavy
def test_a_video_without_a_face_is_left_out_with_its_code(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path)
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows[0]["uri"] = str(tmp_path / "nowhere.mp4")
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = tmp_path / "out"
    assert run_training(lip_config(manifest, output, epochs=1, max_failure_ratio=0.2)) is ExitCode.DONE
    assert [(one.id, one.code) for one in record_of(output).lost] == [("v0", "missing")]
    assert run_training(lip_config(manifest, tmp_path / "found", epochs=1, crop="found")) is ExitCode.BAD_INPUT


@pytest.mark.heavy
def test_texts_are_learnt(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, (*TEXTS[:4], *TEXTS[:2]))  # the last two are said anew
    options = {"epochs": 70, "learning_rate": 5e-3, "model_options": ("width_factor=0.1", "dropout=0")}
    options |= {"clip_cache": str(tmp_path / "cache")}
    assert run_training(lip_config(manifest, tmp_path / "out", **options)) is ExitCode.DONE
    record = record_of(tmp_path / "out")
    losses = np.array([epoch.training["loss"] for epoch in record.history], float)
    assert losses[-1] < losses[0] / 10
    assert record.texts[1].summary["word_error_rate"] == 0
