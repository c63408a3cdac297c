"""Batches move as a whole to another device, and give a network its arguments."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from classifiers.clip_models.registry import build_clip_model
from classifiers.data.batches import ClipBatch, FeatureBatch, StageBatch
from classifiers.feature_models.registry import build_model

META = torch.device("meta")


def feature_batch() -> FeatureBatch:
    features = torch.arange(24.0).view(2, 3, 4), torch.arange(12.0).view(2, 3, 2)
    return FeatureBatch(*features, torch.tensor([3, 1]), torch.tensor([0, 1]), ("a", "b"))


BATCHES = {
    "features": feature_batch(),
    "clips": ClipBatch(torch.zeros(2, 4, 8, 8, 3, dtype=torch.uint8), torch.ones(2, 5), ("a", "b")),
    "stages": StageBatch(torch.zeros(2, 6, 4), 3, torch.tensor([0, 1]), ("a", "b")),
}


@pytest.mark.parametrize("name", BATCHES)
def test_all_tensors_move_and_the_rest_stays(name: str) -> None:
    batch = BATCHES[name]
    moved = batch.to(META)
    assert type(moved) is type(batch)
    assert len(moved) == len(batch) == 2
    for field in dataclasses.fields(batch):
        before, after = getattr(batch, field.name), getattr(moved, field.name)
        if isinstance(before, torch.Tensor):
            assert (after.device, after.shape, after.dtype) == (META, before.shape, before.dtype)
            assert before.device.type == "cpu", "the original is unchanged"
        else:
            assert after == before


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_without_labels_moves_too(name: str) -> None:
    assert dataclasses.replace(BATCHES[name], targets=None).to(META).targets is None


def test_inputs_are_the_arguments_of_the_network() -> None:
    batch = feature_batch()
    network = build_model("attention-pooling", num_classes=2, rgb_dim=4, audio_dim=2)
    assert network(*batch.inputs).shape == (2, 2)
    options = {"width_factor": 0.125, "frames": 4, "height": 16, "width": 16}
    clip_network = build_clip_model("r3d-18", num_classes=5, options=options).eval()
    clips = ClipBatch(torch.randint(0, 256, (2, 4, 16, 16, 3), dtype=torch.uint8))
    frozen = StageBatch(clip_network.forward_stages(clip_network.prepare(clips.clips), 0, 2), 2)
    torch.testing.assert_close(clip_network(*frozen.inputs), clip_network(*clips.inputs))
