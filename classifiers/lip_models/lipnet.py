"""LipNet: three convolutions over space and time and two bidirectional GRUs.

In: clips, float32 (N, T, 50, 100, 3). Out: logits (N, T, K); features (N, T, 512).

Source: arXiv:1611.01599, table 3: kernels of 3 x 5 x 5 with a stride of 2 in space, 3 x 5 x 5 and 3 x 3 x 3, each with
dropout of whole channels and max pooling of 2 x 2; GRUs of 256 cells; 28 classes, 26 letters, the space and the blank.
4,574,460 parameters. Torch's GRU has two biases per gate, as those of its ports, and applies the reset gate after the
matrix product. The authors standardise each colour over their training set; ports divide by 255, as is done here.

The public weights of VIPL's port see crops of 64 x 128 in OpenCV's order of colours, and have the blank first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from classifiers.lip_models.base import LipModel, register_lip_model
from classifiers.lip_models.config import LipConfig
from classifiers.published_layout import Layout
from schemas.lips import UNIT

# Channels, kernel in space, and stride in space of each convolution.
STAGES = ((32, 5, 2), (64, 5, 1), (96, 3, 1))
CELLS = 256

VIPL = Layout(
    name="VIPL's LipNet-PyTorch",
    rename=(
        *((rf"^conv{number + 1}\.", f"convolutions.{number}.conv.") for number in range(3)),
        *((rf"^gru{number + 1}\.", f"recurrences.{number}.") for number in range(2)),
        (r"^FC\.", "head."),
    ),
    options={"height": 64, "width": 128, "normalisation": UNIT, "colours": "bgr"},
)


@dataclass(frozen=True, kw_only=True)
class LipNetConfig(LipConfig):
    """Crops of 50 x 100 in colour."""

    height: int = 50
    width: int = 100
    normalisation: str = UNIT

    channels: ClassVar[int] = 3
    lips_share: ClassVar[float] = 1 / (1 + 2 * 0.19)  # the paper's margin on both sides of the lips


@register_lip_model("lipnet", LipNetConfig(), parameters=4_574_460, classes=28)
class LipNet(LipModel):
    """Three convolutions, each with dropout and max pooling, and two GRUs."""

    layouts = (VIPL,)

    def __init__(self, *, num_classes: int, config: LipNetConfig) -> None:
        stages = []
        inputs, height, width = config.channels, config.height, config.width
        for published, kernel, stride in STAGES:
            outputs = config.units(published)
            conv = nn.Conv3d(
                inputs, outputs, (3, kernel, kernel), stride=(1, stride, stride), padding=(1, kernel // 2, kernel // 2)
            )
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
            stages.append(
                nn.Sequential(
                    OrderedDict(
                        conv=conv,
                        pool=nn.MaxPool3d((1, 2, 2)),
                        relu=nn.ReLU(inplace=True),
                        dropout=nn.Dropout3d(config.dropout),
                    )
                )
            )
            inputs, height, width = outputs, -(-height // stride) // 2, -(-width // stride) // 2
        cells = config.cells(CELLS)
        super().__init__(
            config=config,
            convolutions=stages,
            recurrences=[_gru(inputs * height * width, cells), _gru(2 * cells, cells)],
            num_classes=num_classes,
        )


def _gru(inputs: int, cells: int) -> nn.GRU:
    """A bidirectional GRU, initialised as in the ports: recurrent kernels orthogonal gate by gate, biases 0."""
    gru = nn.GRU(inputs, cells, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for name, values in gru.named_parameters():
            for gate in values.chunk(3):
                if name.startswith("bias"):
                    gate.zero_()
                elif name.startswith("weight_hh"):
                    nn.init.orthogonal_(gate)
                else:
                    nn.init.xavier_uniform_(gate)
    return gru
