"""Recurrent classifiers on frame-level features: LSTM and GRU, in one direction or both.

In: rgb (N, T, D) and audio (N, T, A), float32, num_frames (N,). Out: logits (N, K). N videos, T grid points, D and A
features, C cells, K classes.

Source: google/youtube-8m `frame_level_models.py` (arXiv:1609.08675): two layers of 1024 cells over the concatenated
features; the last layer's state after the last frame goes to a mixture of two experts a class. In both directions the
second network ends at the first frame, and the head sees both states (2 C). A forget gate starts open (bias 1).

| name               | parameters (10 classes, 1024 + 128) |
|--------------------|-------------------------------------|
| lstm               | 17,369,108                          |
| bidirectional-lstm | 43,126,804                          |
| gru                | 13,039,636                          |
| bidirectional-gru  | 32,370,708                          |

Torch keeps two biases for each gate where TensorFlow has one, and its GRU applies the reset gate after the product and
not before. Sequences are packed: the networks never see what lies beyond a video's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from classifiers.feature_models.base import FeatureModel, register_model
from classifiers.model_options import check_options


@dataclass(frozen=True)
class RecurrentConfig:
    """Cells of a layer and direction, layers, dropout between layers, and the head's mixtures (0: plain logistic)."""

    cells: int = 1024
    layers: int = 2
    dropout: float = 0.0
    num_mixtures: int = 2

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_options(self, at_least={"cells": 1, "layers": 1, "num_mixtures": 0}, dropouts=("dropout",))


class RecurrentClassifier(FeatureModel):
    """A stack of recurrent layers, of which the last state counts."""

    level = "frame"
    network: ClassVar[type[nn.LSTM] | type[nn.GRU]]
    bidirectional: ClassVar[bool]

    def __init__(self, *, num_classes: int, rgb_dim: int, audio_dim: int, config: RecurrentConfig) -> None:
        super().__init__(
            num_classes=num_classes,
            rgb_dim=rgb_dim,
            audio_dim=audio_dim,
            feature_dim=config.cells * (2 if self.bidirectional else 1),
            num_mixtures=config.num_mixtures,
        )
        self.config = config
        self.layers = self.network(
            rgb_dim + audio_dim,
            config.cells,
            num_layers=config.layers,
            dropout=config.dropout if config.layers > 1 else 0.0,  # torch warns of a dropout that comes nowhere
            bidirectional=self.bidirectional,
            batch_first=True,
        )

    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        """Frames to the last layer's final states: (N, C), or (N, 2 C) in both directions."""
        frames = torch.cat([rgb, audio], dim=2)  # (N, T, D + A)
        lengths = num_frames.clamp(1, frames.shape[1]).cpu()  # torch packs by lengths on the CPU
        _, state = self.layers(pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False))
        hidden: Tensor = state[0] if isinstance(state, tuple) else state  # (layers x directions, N, C)
        last = hidden[-2:] if self.bidirectional else hidden[-1:]
        return last.transpose(0, 1).flatten(1)


class LstmClassifier(RecurrentClassifier):
    """LSTM layers."""

    network = nn.LSTM

    def __init__(self, *, num_classes: int, rgb_dim: int, audio_dim: int, config: RecurrentConfig) -> None:
        super().__init__(num_classes=num_classes, rgb_dim=rgb_dim, audio_dim=audio_dim, config=config)
        with torch.no_grad():
            for name, bias in self.layers.named_parameters():
                if name.startswith("bias"):
                    # Gates lie in the order input, forget, cell, output. One of the two biases stays 0.
                    bias.zero_()
                    bias[config.cells : 2 * config.cells] = 1.0 if name.startswith("bias_ih") else 0.0


class GruClassifier(RecurrentClassifier):
    """GRU layers."""

    network = nn.GRU


@register_model("lstm", RecurrentConfig(), parameters=17_369_108)
class ForwardLstm(LstmClassifier):
    """LSTM, first frame to last."""

    bidirectional = False


@register_model("bidirectional-lstm", RecurrentConfig(), parameters=43_126_804)
class BidirectionalLstm(LstmClassifier):
    """LSTM in both directions."""

    bidirectional = True


@register_model("gru", RecurrentConfig(), parameters=13_039_636)
class ForwardGru(GruClassifier):
    """GRU, first frame to last."""

    bidirectional = False


@register_model("bidirectional-gru", RecurrentConfig(), parameters=32_370_708)
class BidirectionalGru(GruClassifier):
    """GRU in both directions."""

    bidirectional = True
