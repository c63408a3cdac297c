"""Recurrent classifiers on frame-level features: LSTM and GRU, unidirectional or bidirectional.

In: rgb (N, T, D) and audio (N, T, A), float32, num_frames (N,). Out: logits (N, K). N videos, T grid points, D and A
features, C cells, K classes.

Source: google/youtube-8m `frame_level_models.py` (arXiv:1609.08675): two layers of 1024 cells over the concatenated
features; the final state of the last layer is the input of a mixture of two experts per class. Bidirectional models
concatenate the final states of both directions (2 C). Forget gates are initialised open (bias 1).

| name               | parameters (10 classes, 1024 + 128) |
|--------------------|-------------------------------------|
| lstm               | 17,369,108                          |
| bidirectional-lstm | 43,126,804                          |
| gru                | 13,039,636                          |
| bidirectional-gru  | 32,370,708                          |

Torch has two biases per gate where TensorFlow has one, and its GRU applies the reset gate after the matrix product, not
before it. Sequences are packed, so that padding is never processed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence
from typing_extensions import override

from classifiers.feature_models.base import FeatureModel, Sizes, register_model
from classifiers.model_options import check_options


@dataclass(frozen=True)
class RecurrentConfig:
    """Cells per layer and direction, layers, dropout between layers, and the head's mixtures (0: plain logistic)."""

    cells: int = 1024
    layers: int = 2
    dropout: float = 0.0
    num_mixtures: int = 2

    def __post_init__(self) -> None:
        """Check the values."""
        check_options(self, at_least={"cells": 1, "layers": 1, "num_mixtures": 0}, dropouts=("dropout",))


class RecurrentClassifier(FeatureModel):
    """A stack of recurrent layers whose final state is classified."""

    level = "frame"
    network: ClassVar[type[nn.LSTM] | type[nn.GRU]]
    bidirectional: ClassVar[bool]

    def __init__(self, *, config: RecurrentConfig, **sizes: Unpack[Sizes]) -> None:
        feature_dim = config.cells * (2 if self.bidirectional else 1)
        super().__init__(config=config, feature_dim=feature_dim, num_mixtures=config.num_mixtures, **sizes)
        self.layers = self.network(
            self.rgb_dim + self.audio_dim,
            config.cells,
            num_layers=config.layers,
            dropout=config.dropout if config.layers > 1 else 0.0,  # torch warns of dropout with a single layer
            bidirectional=self.bidirectional,
            batch_first=True,
        )

    @override
    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        frames = torch.cat([rgb, audio], dim=2)  # (N, T, D + A)
        lengths = num_frames.clamp(1, frames.shape[1]).cpu()  # torch requires the lengths on the CPU
        _, state = self.layers(pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False))
        hidden: Tensor = state[0] if isinstance(state, tuple) else state  # (layers x directions, N, C)
        last = hidden[-2:] if self.bidirectional else hidden[-1:]
        return last.transpose(0, 1).flatten(1)  # (N, C), or (N, 2 C) if bidirectional


class LstmClassifier(RecurrentClassifier):
    """LSTM layers."""

    network = nn.LSTM

    def __init__(self, *, config: RecurrentConfig, **sizes: Unpack[Sizes]) -> None:
        super().__init__(config=config, **sizes)
        with torch.no_grad():
            for name, bias in self.layers.named_parameters():
                if name.startswith("bias"):
                    # The order of the gates is input, forget, cell, output. One of the two biases stays 0.
                    bias.zero_()
                    bias[config.cells : 2 * config.cells] = 1.0 if name.startswith("bias_ih") else 0.0


class GruClassifier(RecurrentClassifier):
    """GRU layers."""

    network = nn.GRU


@register_model("lstm", RecurrentConfig(), parameters=17_369_108)
class ForwardLstm(LstmClassifier):
    """Unidirectional LSTM."""

    bidirectional = False


@register_model("bidirectional-lstm", RecurrentConfig(), parameters=43_126_804)
class BidirectionalLstm(LstmClassifier):
    """Bidirectional LSTM."""

    bidirectional = True


@register_model("gru", RecurrentConfig(), parameters=13_039_636)
class ForwardGru(GruClassifier):
    """Unidirectional GRU."""

    bidirectional = False


@register_model("bidirectional-gru", RecurrentConfig(), parameters=32_370_708)
class BidirectionalGru(GruClassifier):
    """Bidirectional GRU."""

    bidirectional = True
