"""Trained lip readers: a checkpoint, from crops of a mouth to what it says, with the times of the words.

In: crops uint8 (T, H, W, 3), as `cluster.clips.mouth_decoder` gives them for `LipReader.look`. Out: log-probabilities,
float32 (T, K), and of these a `ReadText`. T frames, K outputs.

    crops ─ lip_preprocess ─► network ─ log_softmax ─► log-probabilities ─ TextDecoder ─► labels ─ align ─► words
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from classifiers.data.lip_batch import padded
from classifiers.data.lip_frames import lip_preprocess
from classifiers.lip_models.base import LipModel
from classifiers.lip_models.registry import build_lip_model
from classifiers.text.alignment import align
from classifiers.text.alphabet import Alphabet
from classifiers.text.ctc import log_likelihood
from classifiers.text.decoder import TextDecoder
from classifiers.weights.checkpoint import LIP, Checkpoint, CheckpointConfig, CheckpointError, fitted_model
from schemas.lips import FOUND, LipInput
from schemas.numerals import number_of


@dataclass(frozen=True)
class ReadWord:
    """A word and its seconds after the first crop, half open; `score` is its mean probability, of a frame."""

    word: str
    start_seconds: Fraction
    end_seconds: Fraction
    score: float


@dataclass(frozen=True)
class ReadText:
    """What was read; `score` is its probability by the network, of all paths that spell it."""

    text: str
    score: float
    words: tuple[ReadWord, ...]


class LipReader:
    """A lip reader with its weights, as arrays that pickle through shared memory without copying."""

    def __init__(self, checkpoint: Checkpoint, subject: str = "checkpoint") -> None:
        """`subject` is the name that error messages use.

        Raises:
            CheckpointError: for a checkpoint of another kind, or a model that cannot be built or loaded.
        """
        lip_model_of(checkpoint, subject)
        self.config = checkpoint.config
        self._state = {name: value.numpy() for name, value in checkpoint.state.items()}

    @property
    def name(self) -> str:
        """The name in transcripts: the model with the start of its weights' hash."""
        return f"{self.config.model}@{self.config.weights_sha256[:12]}"

    @property
    def look(self) -> LipInput:
        """The crops that it takes."""
        assert self.config.lips is not None
        return self.config.lips

    @property
    def alphabet(self) -> Alphabet:
        """What its outputs stand for."""
        assert self.config.alphabet is not None
        return self.config.alphabet

    def build(self) -> LipModel:
        """The model with its weights, in evaluation mode."""
        # Arrays from shared memory are read-only, so they are copied.
        state = {name: torch.tensor(value) for name, value in self._state.items()}
        model = lip_model_of(Checkpoint(self.config, state))
        model.requires_grad_(False).eval()
        return model

    def read(self, log_probabilities: ArrayLike, decoder: TextDecoder) -> ReadText:
        """The text of log-probabilities (T, K)."""
        return read_text(log_probabilities, decoder, Fraction(number_of(self.look.fps)))


def read_text(log_probabilities: ArrayLike, decoder: TextDecoder, fps: Fraction) -> ReadText:
    """The text of log-probabilities (T, K); without a space in the alphabet, its words are single characters."""
    alphabet, labels = decoder.alphabet, decoder.labels(log_probabilities)
    alignment = align(log_probabilities, labels, alphabet)
    words = tuple(
        ReadWord(word.text, word.start_seconds(fps), word.end_seconds(fps), word.probability)
        for word in (alignment.characters if alphabet.space is None else alignment.words)
    )
    score = math.exp(log_likelihood(log_probabilities, labels, alphabet.blank))
    return ReadText(alphabet.decode(labels), score, words)


def log_probabilities(model: LipModel, crops: Sequence[NDArray[np.uint8]], look: LipInput) -> list[NDArray[np.float32]]:
    """The log-probabilities (T, K) of each clip (T, H, W, 3); clips of different lengths are padded.

    Raises:
        ValueError: for crops of another size, or of one colour.
    """
    device = next(model.parameters()).device
    clips, num_frames = padded([lip_preprocess(clip, look) for clip in crops])
    with torch.inference_mode():
        logits: Tensor = model(clips.to(device), num_frames)
        logs = logits.float().log_softmax(dim=2).cpu().numpy()
    return [rows[:length] for rows, length in zip(logs, num_frames.tolist(), strict=True)]


def lip_model_of(checkpoint: Checkpoint, subject: str = "checkpoint") -> LipModel:
    """The model of a checkpoint with its weights; error messages start with `subject`.

    Raises:
        CheckpointError: if the checkpoint is not of a known lip reader, or its weights do not fit.
    """
    config = checkpoint.config
    _check_kind(config, subject)
    build = partial(build_lip_model, config.model, num_classes=config.num_classes, options=config.options)
    model = fitted_model(build, checkpoint, subject)
    assert config.lips is not None
    if replace(config.lips, crop=FOUND) != model.lip_input:
        problem = f"its crops are {config.lips}, but the options of {config.model!r} require {model.lip_input}"
        raise CheckpointError(subject, [problem])
    return model


def _check_kind(config: CheckpointConfig, subject: str) -> None:
    if config.level != LIP:
        raise CheckpointError(subject, [f"model {config.model!r} takes {config.takes}: it does not read lips"])
