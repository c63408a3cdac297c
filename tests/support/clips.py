"""Small clip classifiers with weights drawn by a seed, written the way training writes them, and videos for them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from classifiers.clip_models.registry import build_clip_model
from classifiers.weights.checkpoint import CLIP, Checkpoint, CheckpointConfig, read_checkpoint, write_checkpoint
from extractors.clips.sampling import ClipSampling
from schemas.clips import ClipInput
from tests.support.videos import Clip, write_video

MODEL = "r3d-18"
OPTIONS = {"width_factor": 0.125, "frames": 4, "height": 28, "width": 28}
TINY = {"frames": 30, "width": 96, "height": 48}


def trained_clips(
    model: str = MODEL,
    *,
    classes: int = 4,
    seed: int = 0,
    task: str = "single-label",
    temperature: float = 1.0,
    sampling: ClipSampling | None = None,
    options: Mapping[str, Any] = OPTIONS,
) -> Checkpoint:
    """A checkpoint of a clip classifier that has seen a few batches of noise, so that its statistics mean something."""
    torch.manual_seed(seed)
    network = build_clip_model(model, num_classes=classes, options=options)
    form = network.clip_format
    with torch.no_grad():
        for _ in range(3):
            network(torch.randint(0, 256, (4, form.frames, form.height, form.width, form.channels), dtype=torch.uint8))
        network.head.weight.mul_(4.0)  # or all videos would get much the same
    config = CheckpointConfig(
        model=model,
        options=dict(options),
        num_classes=classes,
        class_names=tuple(f"Class {place}" for place in range(classes)),
        class_indices=tuple(range(10, 10 + classes)),
        rgb_dim=0,
        audio_dim=0,
        level=CLIP,
        task=task,
        input_columns=(),
        feature_fingerprint={},
        clips=ClipInput(format=form, sampling=asdict(sampling or ClipSampling())),
        temperature=temperature,
        metrics={},
        training={},
        seed=seed,
    )
    return read_checkpoint(write_checkpoint(Checkpoint(config, copy.deepcopy(network.state_dict()))))


def write_clip_videos(folder: Path, number: int, **changes: Any) -> list[Path]:
    """Videos `v00000.mp4` and so on, no two of which are alike."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = {**TINY, **changes}
    sizes = [(shape["width"] + 16 * (place % 6), shape["height"] + 16 * (place // 6)) for place in range(number)]
    return [
        write_video(folder / f"v{place:05d}.mp4", Clip(**{**shape, "width": width, "height": height}))
        for place, (width, height) in enumerate(sizes)
    ]
