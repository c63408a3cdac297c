"""Dense classifiers on video-level means: the seven models compared on YouTube-8M, and logistic regression.

In: rgb (N, D) and audio (N, A), float32. Out: logits (N, K). N videos, D and A features, K classes.

| name     | per input               | on the concatenation     | parameters (10 classes, 1024 + 128) |
|----------|-------------------------|--------------------------|-------------------------------------|
| dense-1  |                         | 108                      | 125,614                             |
| dense-2  |                         | 108, dropout 0.5         | 125,614                             |
| dense-3  | 220 / 65, dropout 0.5   |                          | 236,745                             |
| dense-4  | 2 x (220 / 65), dropout |                          | 289,655                             |
| dense-5  | 220 / 65, dropout 0.5   | 60                       | 251,655                             |
| dense-6  | 220 / 65, dropout 0.5   | 60, 60                   | 255,315                             |
| dense-7  | 220 / 65, dropout 0.5   | 60                       | 251,655                             |
| logistic |                         |                          | 11,530                              |

Only the size 108 (one hidden layer) and the sizes of model 5 were reported; additional layers repeat the size of the
previous layer, and models 3, 4 and 6 take the remaining sizes from model 5. Dropout follows every layer of a single
input, and in model 2 the shared layer. Model 7 is model 5 trained on equally many videos per class, which is a property
of the data. All activations are tanh; model 1 was also tried with ReLU (`activation`). Initialisation as in Keras.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Unpack

import torch
from torch import Tensor, nn
from typing_extensions import override

from classifiers.feature_models.base import FeatureModel, Sizes, register_model
from classifiers.layers.cpu_dropout import CpuDropout
from classifiers.layers.heads import glorot_linear
from classifiers.model_options import check_options

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}


@dataclass(frozen=True)
class DenseConfig:
    """Units of the hidden layers per input and after the concatenation (shared), and dropout after either kind."""

    rgb_hidden: tuple[int, ...] = ()
    audio_hidden: tuple[int, ...] = ()
    shared_hidden: tuple[int, ...] = ()
    input_dropout: float = 0.0
    shared_dropout: float = 0.0
    activation: str = "tanh"

    def __post_init__(self) -> None:
        """Check the values."""
        check_options(
            self,
            at_least={"rgb_hidden": 1, "audio_hidden": 1, "shared_hidden": 1},
            dropouts=("input_dropout", "shared_dropout"),
            choices={"activation": ACTIVATIONS},
        )


MODEL_1 = DenseConfig(shared_hidden=(108,))
MODEL_2 = DenseConfig(shared_hidden=(108,), shared_dropout=0.5)
MODEL_3 = DenseConfig(rgb_hidden=(220,), audio_hidden=(65,), input_dropout=0.5)
MODEL_4 = DenseConfig(rgb_hidden=(220, 220), audio_hidden=(65, 65), input_dropout=0.5)
MODEL_5 = DenseConfig(rgb_hidden=(220,), audio_hidden=(65,), shared_hidden=(60,), input_dropout=0.5)
MODEL_6 = DenseConfig(rgb_hidden=(220,), audio_hidden=(65,), shared_hidden=(60, 60), input_dropout=0.5)


@register_model("logistic", DenseConfig(), parameters=11_530)
@register_model("dense-1", MODEL_1, parameters=125_614)
@register_model("dense-2", MODEL_2, parameters=125_614)
@register_model("dense-3", MODEL_3, parameters=236_745)
@register_model("dense-4", MODEL_4, parameters=289_655)
@register_model("dense-5", MODEL_5, parameters=251_655)
@register_model("dense-6", MODEL_6, parameters=255_315)
@register_model("dense-7", MODEL_5, parameters=251_655)
class DenseClassifier(FeatureModel):
    """Hidden layers per input, then shared ones."""

    level = "video"

    def __init__(self, *, config: DenseConfig, **sizes: Unpack[Sizes]) -> None:
        rgb_sizes = (sizes["rgb_dim"], *config.rgb_hidden)
        audio_sizes = (sizes["audio_dim"], *config.audio_hidden)
        shared_sizes = (rgb_sizes[-1] + audio_sizes[-1], *config.shared_hidden)
        super().__init__(config=config, feature_dim=shared_sizes[-1], **sizes)
        self.rgb = _hidden_layers(rgb_sizes, config.activation, config.input_dropout)
        self.audio = _hidden_layers(audio_sizes, config.activation, config.input_dropout)
        self.shared = _hidden_layers(shared_sizes, config.activation, config.shared_dropout)

    @override
    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        joined = torch.cat([self.rgb(rgb), self.audio(audio)], dim=1)
        features: Tensor = self.shared(joined)
        return features


def _hidden_layers(sizes: tuple[int, ...], activation: str, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [glorot_linear(inputs, outputs), ACTIVATIONS[activation]()]
        layers += [CpuDropout(dropout)] if dropout else []
    return nn.Sequential(*layers)
