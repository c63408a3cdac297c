"""The simplified LipNet of Keras's tutorials: three 3 x 3 x 3 convolutions and two bidirectional LSTMs.

In: clips, float32 (N, T, 46, 140, 1), grey and standardised. Out: logits (N, T, K); features (N, T, 256).

8,471,924 parameters with the 41 classes of its alphabet (40 characters, the blank last): 3,584 + 884,992 + 518,475 in
the convolutions, 6,660,096 + 394,240 in the LSTMs, 10,537 in the head.

Weights trained with the tutorials' loader need its input, grey of swapped colours and differences in bytes
(`classifiers.data.lip_frames`), which are the options of the layout. Gates have the sigmoid: weights of Keras before
2.3, whose default was a hard sigmoid, are refused (`extractors.weights.hdf5_file`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from classifiers.layers.single_bias_lstm import SingleBiasLstm
from classifiers.lip_models.base import LipModel, register_lip_model
from classifiers.lip_models.config import LipConfig
from classifiers.published_layout import Layout, Replacements
from schemas.lips import WRAPPED

CHANNELS = (128, 256, 75)
CELLS = 128

# Keras's names of arrays in `.h5` files and TensorFlow checkpoints, and their numbers in `.weights.h5`.
_KERNEL, _RECURRENT, _BIAS = (
    rf"/(?:[^/]+/){{0,3}}(?:{name}(?::0)?|vars/{number})$"
    for name, number in (("kernel", 0), ("recurrent_kernel", 1), ("bias", 2))
)
_LAST_BIAS = r"/(?:[^/]+/){0,3}(?:bias(?::0)?|vars/1)$"  # of layers without a recurrent kernel
# Of `forward_lstm`, `forward_lstm_1` or `forward_layer`; groups before it repeat the names of the model and the layer.
_DIRECTIONS = (("forward", ""), ("backward", "_reverse"))
_LSTM: Replacements = tuple(
    (rf"^bidirectional_(\d+)/(?:[^/]+/){{0,3}}{theirs}_[^/]+{array}", rf"recurrences.\1.{ours}_l0{direction}")
    for theirs, direction in _DIRECTIONS
    for array, ours in ((_KERNEL, "weight_ih"), (_RECURRENT, "weight_hh"), (_BIAS, "bias_ih"))
)
KERAS = Layout(
    name="Keras's LipNet",
    skip=r"^(model/)?(optimizer|keras_api/|save_counter)|^model_weights/top_level|OPTIMIZER_SLOT",
    counted=r"^(?:model_weights/|layers/|_layer_checkpoint_dependencies/)?(conv3d|bidirectional|dense)(?:_(\d{1,9}))?/",
    channels_last=True,
    rename=(
        (r"/\.ATTRIBUTES/VARIABLE_VALUE$", ""),
        (r"^(?:model/)?layer_with_weights-([012])/", r"conv3d_\1/"),
        (r"^(?:model/)?layer_with_weights-3/", "bidirectional_0/"),
        (r"^(?:model/)?layer_with_weights-4/", "bidirectional_1/"),
        (r"^(?:model/)?layer_with_weights-5/", "dense_0/"),
        (rf"^conv3d_(\d+){_KERNEL}", r"convolutions.\1.conv.weight"),
        (rf"^conv3d_(\d+){_LAST_BIAS}", r"convolutions.\1.conv.bias"),
        (rf"^dense_0{_KERNEL}", "head.weight"),
        (rf"^dense_0{_LAST_BIAS}", "head.bias"),
        *_LSTM,
    ),
    options={"normalisation": WRAPPED, "colours": "bgr"},
)


@dataclass(frozen=True, kw_only=True)
class LipNetKerasConfig(LipConfig):
    """Grey crops of 46 x 140."""

    height: int = 46
    width: int = 140

    channels: ClassVar[int] = 1
    lips_share: ClassVar[float] = 40 / 140  # on average in the fixed crop of the GRID corpus


@register_lip_model("lipnet-keras", LipNetKerasConfig(), parameters=8_471_924, classes=41)
class LipNetKeras(LipModel):
    """Three convolutions, each with max pooling of 2 x 2, and two LSTMs."""

    layouts = (KERAS,)
    channels_last = True

    def __init__(self, *, num_classes: int, config: LipNetKerasConfig) -> None:
        stages = []
        inputs = config.channels
        for published in CHANNELS:
            outputs = config.units(published)
            conv = nn.Conv3d(inputs, outputs, 3, padding=1)
            nn.init.xavier_uniform_(conv.weight)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
            stages.append(
                nn.Sequential(OrderedDict(conv=conv, pool=nn.MaxPool3d((1, 2, 2)), relu=nn.ReLU(inplace=True)))
            )
            inputs = outputs
        cells = config.cells(CELLS)
        flat = inputs * (config.height // 8) * (config.width // 8)
        super().__init__(
            config=config,
            convolutions=stages,
            recurrences=[SingleBiasLstm(inputs=flat, cells=cells), SingleBiasLstm(inputs=2 * cells, cells=cells)],
            num_classes=num_classes,
        )
