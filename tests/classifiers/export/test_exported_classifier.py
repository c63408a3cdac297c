"""Exported classifiers beside those of torch, of whose place they take."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from classifiers.export.exported_classifier import ExportedClipClassifier
from classifiers.export.exported_file import read_exported
from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.weights.checkpoint import CheckpointError
from tests.support.clips import STREAM, STREAM_OPTIONS, trained_clips
from tests.support.exports import exported

SEEDS_AND_TEMPERATURES = ((1, 0.5), (2, 3.0))


def members(task: str, **changes):
    return {
        str(seed): trained_clips(seed=seed, task=task, temperature=temperature, **changes)
        for seed, temperature in SEEDS_AND_TEMPERATURES
    }


def exported_of(checkpoints) -> ExportedClipClassifier:
    return ExportedClipClassifier(
        {subject: read_exported(exported(checkpoint)[1], subject) for subject, checkpoint in checkpoints.items()}
    )


@pytest.mark.parametrize(
    ("task", "changes"),
    [("single-label", {}), ("multi-label", {}), ("single-label", {"model": STREAM, "options": STREAM_OPTIONS})],
)
def test_clips_give_the_features_and_joint_logits_of_torch(task: str, changes) -> None:
    checkpoints = members(task, **changes)
    trained, found = TrainedClipClassifier(checkpoints), exported_of(checkpoints)
    assert (found.dim, found.clips, found.is_stream) == (trained.dim, trained.clips, trained.is_stream)
    form = found.clips.format
    draw = np.random.default_rng(0)
    clips = draw.integers(0, 256, (3, form.frames, form.height, form.width, 3), np.uint8)
    ensemble = trained.build()
    with torch.inference_mode():
        expected = ensemble(ensemble.prepare(torch.from_numpy(clips))).numpy()
    outputs = pickle.loads(pickle.dumps(found)).build()(clips)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-4 * float(expected[:, -4:].std()))


@pytest.mark.parametrize("task", [pytest.param("single-label", marks=pytest.mark.heavy), "multi-label"])
def test_frames_give_the_joint_logits_of_torch_however_they_come(task: str) -> None:
    checkpoints = members(task, model=STREAM, options=STREAM_OPTIONS)
    trained, running = TrainedClipClassifier(checkpoints), exported_of(checkpoints).build()
    frames = np.random.default_rng(1).integers(0, 256, (2, 7, 32, 40, 3), np.uint8)
    ensemble = trained.build()
    with torch.inference_mode():
        expected, last = ensemble.stream(ensemble.prepare(torch.from_numpy(frames)), {})
    state, logits = {}, []
    for part in np.split(frames, [1, 5], axis=1):
        found, state = running.stream(part, state)
        logits.append(found)
    joint = torch.cat(logits, dim=1)
    np.testing.assert_allclose(joint, expected, rtol=0, atol=1e-4 * float(expected.std()))
    assert {key.replace("state.", "") for key in state} == set(last)
    with pytest.raises(ValueError, match="belongs to none of 2 networks"):
        running.stream(frames, {"7.x": torch.zeros(1)})


def test_it_says_what_made_the_labels() -> None:
    checkpoints = members("single-label")
    found = exported_of(checkpoints)
    hashes = [one.config.weights_sha256[:12] for one in checkpoints.values()]
    assert found.name == "+".join(f"r3d-18@{each}-onnx-fp32" for each in hashes)
    assert (found.backend, found.precision) == ("onnx", "fp32")
    assert found.fingerprint["clips.backend"] == "onnx"
    assert len(found.fingerprint["clips.files"].split()) == 2
    with_int8 = {
        precision: read_exported(exported(checkpoint, precision)[1])
        for precision, checkpoint in zip(("fp32", "int8"), checkpoints.values(), strict=True)
    }
    assert ExportedClipClassifier(with_int8).precision == "fp32+int8"


def test_what_cannot_be_averaged_is_refused() -> None:
    with pytest.raises(CheckpointError, match="num_classes 5, a has 4"):
        exported_of({"a": trained_clips(), "b": trained_clips(classes=5)})
