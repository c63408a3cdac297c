"""Small clip classifiers with weights drawn by a seed, written the way training writes them, and videos for them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from classifiers.clip_models.registry import build_clip_model
from classifiers.clip_models.streaming import StreamModel
from classifiers.inference.clip_classifier import clip_model_of
from classifiers.weights.checkpoint import CLIP, Checkpoint, CheckpointConfig, read_checkpoint, write_checkpoint
from extractors.clips.sampling import ClipSampling
from schemas.clips import ClipInput
from tests.support.videos import Clip, picture, write_video

MODEL = "r3d-18"
OPTIONS = {"width_factor": 0.125, "frames": 4, "height": 28, "width": 28}
STREAM = "movinet-a0-stream"  # 5 frames a second
STREAM_OPTIONS = {"width_factor": 0.125, "frames": 12, "height": 32, "width": 40, "dropout": 0.0}
FLOW_OPTIONS = {"width_factor": 0.125, "frames": 8, "height": 32, "width": 32}  # of i3d-flow and i3d-two-stream
DEVIATION = 0.1  # more would magnify what rounding does to features that hardly differ
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
    fps: str | None = "",
    flow: str | None = None,
) -> Checkpoint:
    """A checkpoint of a clip classifier that has seen a few batches of noise, so that its statistics mean something.

    `fps` is the rate of its clips, `flow` the method of their optical flow, by default those of the model.
    """
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
        clips=ClipInput(
            format=replace(form, fps=form.fps if fps == "" else fps, flow=flow or form.flow),
            sampling=asdict(sampling or ClipSampling()),
        ),
        temperature=temperature,
        metrics={},
        training={},
        seed=seed,
    )
    return read_checkpoint(write_checkpoint(Checkpoint(config, copy.deepcopy(network.state_dict()))))


def trained_stream(**changes: Any) -> Checkpoint:
    """That of a stream network whose logits differ over the time of our videos, with a deviation of `DEVIATION`."""
    checkpoint = trained_clips(**{"model": STREAM, "options": STREAM_OPTIONS, **changes})
    network = clip_model_of(checkpoint).eval()
    assert isinstance(network, StreamModel)
    form = network.clip_format
    pictures = np.stack([picture(5 * number, form.width, form.height) for number in range(50)])
    with torch.no_grad():
        features, _ = network.stream_features(network.prepare(torch.from_numpy(pictures)[None]), {})
        deviations, means = torch.std_mean(network.forward_head(features)[0], dim=0)
        network.head.weight.mul_(DEVIATION / deviations[:, None])
        network.head.bias.sub_(means).mul_(DEVIATION / deviations)
    return read_checkpoint(write_checkpoint(Checkpoint(checkpoint.config, network.state_dict())))


def write_clip_videos(folder: Path, number: int, **changes: Any) -> list[Path]:
    """Videos `v00000.mp4` and so on, no two of which are alike."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = {**TINY, **changes}
    sizes = [(shape["width"] + 16 * (place % 6), shape["height"] + 16 * (place // 6)) for place in range(number)]
    return [
        write_video(folder / f"v{place:05d}.mp4", Clip(**{**shape, "width": width, "height": height}))
        for place, (width, height) in enumerate(sizes)
    ]
