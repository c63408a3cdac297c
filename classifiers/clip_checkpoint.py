"""A clip classifier as a checkpoint says it is."""

from __future__ import annotations

from dataclasses import replace

from classifiers.checkpoint import CLIP, Checkpoint, CheckpointError, load_weights
from classifiers.clip_model import ClipModel
from classifiers.clip_registry import build_clip_model


def clip_model_of(checkpoint: Checkpoint, subject: str = "checkpoint") -> ClipModel:
    """The model that `checkpoint` describes, filled with its weights; `subject` opens an error's message.

    Raises:
        CheckpointError: where it is no clip classifier, one that this version does not know, or does not fit.
    """
    config = checkpoint.config
    if config.level != CLIP or config.clips is None:
        raise CheckpointError(subject, [f"model {config.model!r} takes features, not clips"])
    try:
        model = build_clip_model(config.model, num_classes=config.num_classes, options=config.options)
    except ValueError as error:
        raise CheckpointError(subject, [str(error)]) from error
    # The rate may have been chosen for the videos; all else is the model's own.
    if replace(config.clips.format, fps=None) != replace(model.clip_format, fps=None):
        raise CheckpointError(
            subject,
            [f"its clips are {config.clips.format}, those of {config.model!r} as its options say {model.clip_format}"],
        )
    load_weights(model, checkpoint, subject)
    return model
