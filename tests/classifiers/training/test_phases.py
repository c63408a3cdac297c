import pytest
import torch

from classifiers.clip_models.registry import build_clip_model
from classifiers.feature_models.registry import build_model
from classifiers.training.phases import Phase, train_stages

SMALL = {"frames": 16, "height": 16, "width": 16, "width_factor": 0.02}


def trained(model):
    return {
        name.split(".")[1] if name.startswith("trunk") else "head"
        for name, p in model.named_parameters()
        if p.requires_grad
    }


def test_the_last_stages_are_trained():
    model = build_clip_model("c3d", num_classes=3, options=SMALL)
    train_stages(model, 1)
    assert trained(model) == {"head"}
    train_stages(model, 3)
    assert trained(model) == {"fc6", "fc7", "head"}
    train_stages(model, None)
    assert trained(model) == set(model.stages())
    with pytest.raises(ValueError, match=r"9 stages cannot be trained: C3d has 8 \(conv1, conv2"):
        train_stages(model, 9)


def test_feature_models_have_no_stages():
    model = build_model("dense-1", num_classes=3)
    train_stages(model, None)
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(ValueError, match="has no stages to freeze, but stages is 2"):
        train_stages(model, 2)


def test_invalid_phases_are_refused():
    with pytest.raises(ValueError, match=r"(?s)epochs is 0.*stages is 0"):
        Phase(epochs=0, stages=0)


def test_statistics_of_frozen_stages_do_not_change():
    torch.manual_seed(0)
    model = build_clip_model(
        "s3d", num_classes=2, options={"frames": 16, "height": 32, "width": 32, "width_factor": 0.1}
    )
    train_stages(model, 2)
    before = {name: value.clone() for name, value in model.named_buffers()}
    model.train()
    model(torch.randint(256, (2, 16, 32, 32, 3), dtype=torch.uint8))
    changed = {name.split(".")[1] for name, value in model.named_buffers() if not torch.equal(value, before[name])}
    names = list(model.stages())
    assert changed <= set(names[-2:])
    train_stages(model, None)
    model(torch.randint(256, (2, 16, 32, 32, 3), dtype=torch.uint8))
    changed = {name.split(".")[1] for name, value in model.named_buffers() if not torch.equal(value, before[name])}
    assert names[0] in changed
