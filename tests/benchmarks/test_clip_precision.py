from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from benchmarks.clip_precision import as_if_trained, features
from benchmarks.differences import relative_rms
from classifiers.clip_models.registry import build_clip_model
from tests.support.clips import STREAM_OPTIONS


def test_networks_as_if_trained_are_close_in_bf16() -> None:
    torch.manual_seed(0)
    model = build_clip_model("movinet-a0-stream", num_classes=4, options=STREAM_OPTIONS)
    form = model.clip_format
    colours = functional.interpolate(
        torch.rand(2, 3, 5, 5, 5), (form.frames, form.height, form.width), mode="trilinear"
    )
    clips = (colours * 255).to(torch.uint8).permute(0, 2, 3, 4, 1)
    with torch.inference_mode():
        as_if_trained(model, clips)
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        assert all(norm.bias.any() and not norm.training for norm in norms)
        exact, found = (features(model, clips, dtype) for dtype in (torch.float32, torch.bfloat16))
    assert 0 < relative_rms(found, exact) < 0.3
