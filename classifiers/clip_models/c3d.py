"""C3D: eight 3 x 3 x 3 convolutions and two dense layers.

In: clips, uint8 (N, T, H, W, 3), T, H and W at least 16. Out: logits (N, K); features (N, 4096), `fc7` after its ReLU.
N clips, T frames, K classes.

Source: arXiv:1412.0767. 79,991,015 parameters with the 487 classes of Sports-1M. The public weights take pixels in
0..255; the authors subtracted a mean cube, the port to PyTorch (c3d.pickle) does not, nor does this model. For odd
sizes at `pool5`, the port pads both sides, Caffe and Keras the end alone: weights of one do not suit the other.

The network has no normalisation: trained from scratch, it is initialised after He and takes pixels in -1..1
(`pixels`), since it does not learn from 0..255.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from typing_extensions import override

from classifiers.clip_models.base import Accuracy, ClipModel, register_clip_model
from classifiers.clip_models.config import ClipConfig
from classifiers.published_layout import KERAS_KEYS, Layout
from schemas.clips import PIXELS, ClipFormat

ACCURACY = Accuracy(60.0, "Sports-1M", "arXiv:1412.0767, table 2, trained from scratch: whole videos")

# The convolutions of each stage with their output channels.
STAGES: dict[str, tuple[tuple[str, int], ...]] = {
    "conv1": (("conv1", 64),),
    "conv2": (("conv2", 128),),
    "conv3": (("conv3a", 256), ("conv3b", 256)),
    "conv4": (("conv4a", 512), ("conv4b", 512)),
    "conv5": (("conv5a", 512), ("conv5b", 512)),
}
DENSE = 4096
_OUR_KEYS = ((r"^fc8\.", "head."), (r"^(fc\d|conv\d)(\w?)\.", r"trunk.\1.\1\2."))


def _channels_first(model: C3d, weight: Tensor) -> Tensor:
    """`fc6` for inputs flattened as (T, H, W, C), as in TensorFlow, rearranged for (C, T, H, W)."""
    return weight.reshape(len(weight), *model.grid, -1).permute(0, 4, 1, 2, 3).flatten(1)


LAYOUTS = (
    Layout(name="c3d.pickle", rename=_OUR_KEYS, options={"pool5": "both", "pixels": "bytes"}),
    Layout(
        name="Sports-1M of Keras with TensorFlow",
        rename=(*KERAS_KEYS, *_OUR_KEYS),
        skip=r"^(model_weights/top_level_model_weights|optimizer_weights)/",
        channels_last=True,
        rearranged={"trunk.fc6.fc6.weight": _channels_first},
        options={"pool5": "end", "pixels": "bytes"},
    ),
)


@dataclass(frozen=True, kw_only=True)
class C3dConfig(ClipConfig):
    """The padding of `pool5` (both, end), and the normalisation of pixels (`schemas.clips.PIXELS`)."""

    dropout: float = 0.5
    pool5: str = "both"
    pixels: str = "bytes"

    at_least: ClassVar[Mapping[str, int]] = {"frames": 16, "height": 16, "width": 16}
    choices: ClassVar[Mapping[str, Collection[str]]] = {"pool5": ("both", "end"), "pixels": tuple(PIXELS)}

    @override
    def clip_format(self) -> ClipFormat:
        resize = (round(self.height * 128 / 112), round(self.width * 171 / 112))
        return self.make_format(resize=resize, fps=None, pixels=PIXELS[self.pixels])


@register_clip_model("c3d", C3dConfig(), parameters=79_991_015, classes=487, gflops=77.1, accuracy=ACCURACY)
class C3d(ClipModel):
    """Five stages of convolutions, each with max pooling, then `fc6` and `fc7`."""

    layouts = LAYOUTS

    def __init__(self, *, num_classes: int, config: C3dConfig) -> None:
        stages: dict[str, nn.Module] = {}
        inputs = 3
        for stage, convolutions in STAGES.items():
            layers: OrderedDict[str, nn.Module] = OrderedDict()
            for name, published in convolutions:
                outputs = config.channels(published)
                layers[name] = nn.Conv3d(inputs, outputs, 3, padding=1)
                layers[f"relu_{name}"] = nn.ReLU(inplace=True)
                inputs = outputs
            layers["pool"] = _pool(stage, config.pool5)
            stages[stage] = nn.Sequential(layers)
        grid = (config.frames // 16, _pooled(config.height, config.pool5), _pooled(config.width, config.pool5))
        dense = config.channels(DENSE)
        stages["fc6"] = nn.Sequential(
            OrderedDict(flat=nn.Flatten(), fc6=nn.Linear(inputs * grid[0] * grid[1] * grid[2], dense), relu=nn.ReLU())
        )
        stages["fc7"] = nn.Sequential(
            OrderedDict(dropout=nn.Dropout(config.dropout), fc7=nn.Linear(dense, dense), relu=nn.ReLU())
        )
        super().__init__(config=config, stages=stages, feature_dim=dense, num_classes=num_classes)
        self.grid = grid  # T, H, W before `fc6`
        for layer in self.trunk.modules():
            if isinstance(layer, nn.Conv3d | nn.Linear):
                assert layer.bias is not None
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)


def _pool(stage: str, pool5: str) -> nn.Module:
    if stage == "conv1":
        return nn.MaxPool3d((1, 2, 2))
    if stage != "conv5":
        return nn.MaxPool3d(2)
    if pool5 == "both":
        return nn.MaxPool3d(2, padding=(0, 1, 1))
    # After a ReLU, padding with zeros does not change the maximum.
    return nn.Sequential(nn.ConstantPad3d((0, 1, 0, 1, 0, 0), 0.0), nn.MaxPool3d(2))


def _pooled(size: int, pool5: str) -> int:
    """Height or width before `fc6`."""
    return size // 16 // 2 + 1 if pool5 == "both" else (size // 16 + 1) // 2
