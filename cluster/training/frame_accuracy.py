"""How early a stream network knows: its accuracy on the validation clips after each frame.

In: a training of such a network with its best weights, and the batches of the validation split. Out: `FrameAccuracy`.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import torch

from classifiers.clip_models.streaming import StreamModel
from classifiers.metrics.frame_hits import FrameHits
from classifiers.training.loop import Training
from classifiers.training.workers import Workers
from schemas.clips import ClipInput
from schemas.evaluations import FrameAccuracy

EQUAL = "equal"  # placement: frames are spread over the video


def frame_accuracy(
    training: Training, model: StreamModel, batches: Iterable[Any], workers: Workers, clips: ClipInput
) -> FrameAccuracy:
    """The accuracy of the training's `model` after each frame, over the batches of all workers."""
    hits, device = FrameHits(clips.format.frames), next(model.parameters()).device
    model.eval()
    for batch in batches:
        placed = batch.to(device)
        with torch.inference_mode(), training.arithmetic():
            logits = model.frame_logits(*placed.inputs)  # (N, T, K)
        hits.update(logits.float().cpu(), placed.targets.cpu())
    merged = FrameHits(clips.format.frames)
    for state in workers.gather(hits.state()):
        merged.merge(state)
    return FrameAccuracy(videos=merged.videos, fps=_rate(clips), shares=merged.shares())


def _rate(clips: ClipInput) -> float | None:
    """Frames a second of the clips; None where it differs from video to video."""
    fps = clips.format.fps
    return None if fps is None or clips.sampling["placement"] == EQUAL else float(Fraction(fps))
