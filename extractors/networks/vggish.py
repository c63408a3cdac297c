"""VGGish as an audio embedder: log-mel examples to 128 values.

In: float32 (B, 96, 64) log-mel examples (frames, bands) from `log_mel`. Out: float32 (B, 128), before the last ReLU.
Dimensions: B batch, C channels, H time frames, W mel bands.

Source: Hershey et al. 2017, "CNN Architectures for Large-Scale Audio Classification", arXiv:1609.09430; weights of
tensorflow/models `research/audioset/vggish` and of harritaylor/torchvggish, whose module names are kept so that state
dicts load strictly. 72,141,184 parameters.

Different from torchvggish: the embedding is taken before the last ReLU, as in AudioSet's code (`fc2/BiasAdd`). The
published PCA requires this: some of its means are negative, which the output of a ReLU cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from extractors.networks.sizes import EMBEDDING_DIM


@dataclass(frozen=True)
class VGGishConfig:
    """Widths of the convolutions, 0 for a 2 x 2 max pool, and of the hidden linear layers."""

    channels: tuple[int, ...] = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0)
    hidden: int = 4096


class VGGish(nn.Module):
    """The network: `forward_features` gives (B, 12288), `forward_head` the embedding (B, 128)."""

    def __init__(self, config: VGGishConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        c_in = 1
        for c_out in config.channels:
            if c_out == 0:
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU()]
                c_in = c_out
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(c_in * 6 * 4, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, EMBEDDING_DIM),
        )

    def forward_features(self, examples: Tensor) -> Tensor:
        """Log-mel (B, 96, 64) to flattened convolutional features (B, 12288), ordered time, band, channel."""
        x = examples[:, None]  # B, 1, 96, 64
        x = self.features(x)  # B, 512, 6, 4
        flat: Tensor = x.permute(0, 2, 3, 1).flatten(1)  # B, 12288
        return flat

    def forward_head(self, features: Tensor) -> Tensor:
        """Flattened features (B, 12288) to the embedding, float32 (B, 128), before any ReLU."""
        embedding: Tensor = self.embeddings(features)
        return embedding.to(torch.float32)

    def forward(self, examples: Tensor) -> Tensor:
        """Log-mel examples to the embedding (B, 128)."""
        return self.forward_head(self.forward_features(examples))


def vggish() -> VGGish:
    """The published network."""
    return VGGish(VGGishConfig())
