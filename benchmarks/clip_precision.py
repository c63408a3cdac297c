"""Errors of clip networks in bf16 relative to fp32.

    python benchmarks/clip_precision.py VIDEO … [--models NAME …] [--round-biases] [--json FILE]

Weights are random, but norms and biases are drawn as trained networks have them: without shifts, networks hide what
rounding costs. The statistics of the norms are those of the clips, `VIEWS` of each video. Both forms are those that
scoring runs; the relative RMS is of the features, and of them about their mean, which is what tells clips apart.
`--round-biases` rounds the biases of fused convolutions, which are float32, to bf16 as well.
"""

from __future__ import annotations

import argparse
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.differences import lowest_cosine, relative_rms
from benchmarks.measure import cores, write_json
from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model, clip_model_entry, clip_model_names
from classifiers.inference.clip_classifier import ClipEnsemble
from classifiers.layers.fused_conv import FusedConv
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling

MODELS = ("movinet-a0-stream", "movinet-a2-stream", "movinet-a0", "c3d", "r3d-18")
VIEWS = ClipSampling(placement="equal", views=2)
SCALE, SHIFT, BIAS = (0.5, 1.0), 0.3, 0.1  # range of the norms' scales, deviation of their shifts and of other biases
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def as_if_trained(model: ClipModel, clips: Tensor) -> None:
    """Draw scales and shifts, and take statistics of the clips."""
    model.eval()
    norms = [module for module in model.modules() if isinstance(module, NORMS)]
    for module in model.modules():
        if isinstance(module, NORMS):
            nn.init.uniform_(module.weight, *SCALE)
            nn.init.normal_(module.bias, std=SHIFT)
            module.momentum = 1.0  # the statistics of one batch are those of the norm
            module.train()
        elif isinstance(bias := getattr(module, "bias", None), Tensor):
            nn.init.normal_(bias, std=BIAS)
    model.forward_features(model.prepare(clips))
    for norm in norms:
        norm.eval()


def features(model: ClipModel, clips: Tensor, dtype: torch.dtype, *, round_biases: bool = False) -> np.ndarray:
    """Features (N, F) in the form that scoring runs."""
    form = ClipEnsemble([deepcopy(model)], [1.0], multi_label=False)
    form.reduce(dtype)
    for layer in form.modules():
        if round_biases and isinstance(layer, FusedConv):
            layer.bias = layer.bias.to(dtype)
    outputs = [form(form.prepare(clip[None]).to(dtype)) for clip in clips]
    found: np.ndarray = torch.cat(outputs)[:, : model.feature_dim].numpy()
    return found


def measure(name: str, videos: list[str], *, round_biases: bool = False) -> dict[str, float]:
    """The errors of one network."""
    torch.manual_seed(0)
    model = build_clip_model(name, num_classes=clip_model_entry(name).classes)
    views = [torch.from_numpy(decode_clips(video, model.clip_format, VIEWS)) for video in videos]
    clips = torch.cat(views)
    with torch.inference_mode():
        as_if_trained(model, clips)
        exact = features(model, clips, torch.float32)
        found = features(model, clips, torch.bfloat16, round_biases=round_biases)
    return {
        "relative_rms": relative_rms(found, exact),
        "relative_rms_about_mean": relative_rms(found - exact.mean(0), exact - exact.mean(0)),
        "lowest_cosine": lowest_cosine(found, exact),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--models", nargs="+", choices=clip_model_names(), default=MODELS, metavar="NAME")
    parser.add_argument("--round-biases", action="store_true", help="those of fused convolutions, to bf16")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| model | features | about their mean | lowest cosine |\n|---|---|---|---|")
    errors = {}
    for name in options.models:
        errors[name] = found = measure(name, options.videos, round_biases=options.round_biases)
        rms, centred, cosine = found.values()
        print(f"| `{name}` | {rms:.2%} | {centred:.1%} | {cosine:.5f} |", flush=True)
    write_json(options.json, errors)


if __name__ == "__main__":
    main()
