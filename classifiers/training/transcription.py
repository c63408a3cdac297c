"""The objective of lip readers: CTC, and the error rates of what is read greedily.

N videos, T frames, K outputs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from classifiers.ctc_loss import CtcLoss
from classifiers.metrics.group_accuracy import NO_GROUPS, VideoGroups
from classifiers.metrics.text_evaluation import TextEvaluation
from classifiers.text.alphabet import Alphabet
from classifiers.text.ctc import greedy
from schemas.text_results import ReadSentence


class Transcription:
    """Texts of videos, spelled in one alphabet; batches are `classifiers.data.lip_batch.LipBatch`es."""

    shares: tuple[str, ...] = ()

    def __init__(self, alphabet: Alphabet) -> None:
        self._alphabet = alphabet
        self._loss = CtcLoss(blank=alphabet.blank)

    def to(self, device: torch.device) -> None:
        """The loss has no weights."""

    def loss(self, outputs: Tensor, batch: Any) -> Tensor:
        """The mean loss of logits (N, T, K)."""
        return self._losses(outputs, batch).mean()

    def counts(self, outputs: Tensor, batch: Any) -> Tensor:
        """Nothing: reading with dropout says little."""
        return outputs.new_zeros(0)

    def evaluation(self, *, is_full: bool, groups: VideoGroups = NO_GROUPS, **options: Any) -> TextEvaluation:
        """An empty evaluation; other options are those of classes."""
        return TextEvaluation(is_full=is_full, groups=groups)

    def measure(self, evaluation: Any, outputs: Tensor, batch: Any) -> None:
        """Add logits (N, T, K)."""
        losses = self._losses(outputs, batch).tolist()
        logs = outputs.log_softmax(dim=2).cpu().numpy()
        read = [
            self._alphabet.decode(greedy(rows[:length], self._alphabet.blank).labels)
            for rows, length in zip(logs, batch.num_frames.tolist(), strict=True)
        ]
        evaluation.update([self._alphabet.decode(text) for text in batch.texts()], read, losses, batch.ids)

    def examples(self, evaluation: Any) -> tuple[ReadSentence, ...]:
        """Its first sentences."""
        return tuple(evaluation.examples)

    def _losses(self, outputs: Tensor, batch: Any) -> Tensor:
        return self._loss.losses(outputs, batch.num_frames, batch.labels, batch.num_labels)
