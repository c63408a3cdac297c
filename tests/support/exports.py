"""Exported classifiers: small networks as files."""

from __future__ import annotations

from classifiers.export.form import Form, described, form_of
from classifiers.export.onnx_file import network_file, versions, with_metadata
from classifiers.inference.clip_classifier import clip_model_of
from classifiers.weights.checkpoint import Checkpoint
from tests.support.clips import STREAM, STREAM_OPTIONS, trained_clips


def plain_stream(seed: int = 0) -> Checkpoint:
    """That of a stream network whose logits lie close to one another, as its weights come."""
    return trained_clips(model=STREAM, options=STREAM_OPTIONS, seed=seed)


def exported(checkpoint: Checkpoint, precision: str = "fp32", memory_frames: int | None = None) -> tuple[Form, bytes]:
    """The form of a checkpoint's network, and its file."""
    form = form_of(clip_model_of(checkpoint), memory_frames)
    model = described(form, checkpoint.config, precision=precision, quantization={}, versions=versions())
    return form, with_metadata(network_file(form), model)
