"""Lip readers in the training loop: the loss falls, texts come out, and a resumed training is the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from classifiers.ctc_loss import CtcLoss
from classifiers.data.lip_batch import LipBatch, lip_batch
from classifiers.lip_models.base import LipModel
from classifiers.lip_models.registry import build_lip_model
from classifiers.metrics.group_accuracy import VideoGroups
from classifiers.text.alphabet import Alphabet
from classifiers.training.config import TrainingConfig
from classifiers.training.loop import Training
from classifiers.training.optimizers import OptimizerConfig
from classifiers.training.phases import Phase
from classifiers.training.transcription import Transcription

LETTERS = Alphabet(("a", "b", " "), blank=3)
TEXTS = ((0, 1), (1, 2, 0))


def batch(seed: int = 0) -> LipBatch:
    """Two clips of different lengths, each character bright in another place."""
    rng = np.random.default_rng(seed)
    clips = []
    for text in TEXTS:
        clip = rng.normal(0, 0.1, (3 * len(text), 16, 16, 1)).astype(np.float32)
        for place, label in enumerate(text):
            clip[3 * place : 3 * place + 2, :, 5 * label : 5 * label + 5] += 2
        clips.append(clip)
    return lip_batch(clips, TEXTS, ("x", "y"))


def training(epochs: int = 3) -> Training:
    torch.manual_seed(0)
    options = {"width_factor": 0.1, "height": 16, "width": 16, "dropout": 0.1}
    model: LipModel = build_lip_model("lipnet-keras", num_classes=4, options=options)
    phase = Phase(epochs=epochs, optimizer=OptimizerConfig(name="adam", learning_rate=5e-3))
    config = TrainingConfig(phases=(phase,), monitor="word_error_rate")
    return Training(model, Transcription(LETTERS), config)


def test_the_loss_is_that_of_ctc_over_the_frames_of_each_clip() -> None:
    logits = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0))
    loss = Transcription(LETTERS).loss(logits, batch())
    expected = []
    for i, text in enumerate(TEXTS):
        frames, length = torch.tensor([3 * len(text)]), torch.tensor([len(text)])
        expected.append(CtcLoss(blank=3)(logits[i : i + 1, : int(frames)], frames, torch.tensor([text]), length))
    assert float(loss) == pytest.approx(float(sum(expected)) / 2, rel=1e-5)


def test_texts_are_learnt_and_read() -> None:
    trained = training(40)
    while not trained.is_over:
        record = trained.run_epoch([batch()], [batch()])
    first, last = trained.history.epochs[0], record
    assert set(first.training) == {"loss"}
    assert last.training["loss"] < first.training["loss"] / 5  # type: ignore[operator]
    trained.load_best()
    summary = trained.evaluate([batch()], is_full=True).summary()
    assert summary["word_error_rate"] == 0
    assert [(one.text, one.read) for one in last.examples] == [("ab", "ab"), ("b a", "b a")]


def test_of_equal_error_rates_the_lower_loss_is_better() -> None:
    trained = training(4)
    while not trained.is_over:
        trained.run_epoch([batch()], [batch()])
    epochs = trained.history.epochs
    best = min(epochs, key=lambda epoch: (epoch.validation["word_error_rate"], epoch.validation["loss"]))
    assert trained.history.best_epoch == best.epoch > 0


def test_a_resumed_training_is_the_same_to_the_bit() -> None:
    unbroken, first = training(4), training(4)
    for _ in range(2):
        first.run_epoch([batch()], [batch()])
    resumed = training(4)
    resumed.restore(first.snapshot())
    for trained in (unbroken, resumed):
        while not trained.is_over:
            trained.run_epoch([batch()], [batch()])
    for name, value in unbroken.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_an_evaluation_counts_errors_by_group() -> None:
    groups = VideoGroups({"x": "ann", "y": "bob"})
    evaluation = training().evaluate([batch()], is_full=True, groups=groups)
    assert {row.group: row.videos for row in evaluation.groups.rows()} == {"ann": 1, "bob": 1}
