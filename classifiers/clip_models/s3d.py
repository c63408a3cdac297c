"""S3D: I3D with every N x N x N filter separated into 1 x N x N and N x 1 x 1.

In: clips, uint8 (N, T, H, W, 3), T at least 5, H and W at least 17. Out: logits (N, K); features (N, 1024). N clips, T
frames, K classes.

Source: arXiv:1712.04851 and torchvision's `models/video/s3d.py`, with the same padding (half a kernel). 8,320,048
parameters with 400 classes. kylemin/S3D is the same network, with pixels in 0..1 without normalisation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from typing_extensions import override

from classifiers.clip_models.base import Accuracy, ClipModel, register_clip_model
from classifiers.clip_models.config import ClipConfig
from classifiers.clip_models.inception_3d import BLOCKS, Size, Unit, inception_stages
from classifiers.published_layout import Layout
from schemas.clips import PIXELS, ClipFormat

EPSILON = 1e-3  # of batch normalisation
SOURCE = "https://pytorch.org/vision/stable/models/video_s3d.html: one clip of 128 frames per video, 15 frames/s"
ACCURACY = Accuracy(68.368, "Kinetics-400", SOURCE)

# The position of each stage in the public files, which count poolings as well.
_POSITIONS = {"Conv3d_1a_7x7": 0, "Conv3d_2b_1x1": 2, "Conv3d_2c_3x3": 3} | dict(
    zip(BLOCKS, (5, 6, *range(8, 13), 14, 15), strict=True)
)


def _layout(name: str, *convolutions: tuple[str, str], head: str, root: str, branch0: str, pixels: str) -> Layout:
    """A file whose stages are numbered below `root`; `convolutions` rename the layers of a convolution."""
    stages = [(rf"^{root}\.{position}\.", f"trunk.{stage}.body.") for stage, position in _POSITIONS.items()]
    branches = (
        (branch0, ".b0."),
        (r"\.branch([12])\.0\.", r".b\1a."),
        (r"\.branch([12])\.1\.", r".b\1b."),
        (r"\.branch3\.1\.", ".b3b."),
    )
    rename = ((head, "head."), *stages, *branches, *convolutions)
    return Layout(name=name, rename=rename, options={"pixels": pixels})


LAYOUTS = (
    _layout(
        "torchvision",
        (r"\.0\.([01]\.\w+)$", r".space.\1"),
        (r"\.1\.([01]\.\w+)$", r".time.\1"),
        (r"\.0\.(\w+)$", r".conv3d.\1"),
        (r"\.1\.(\w+)$", r".bn.\1"),
        head=r"^classifier\.1\.",
        root="features",
        branch0=r"\.branch0\.",
        pixels="kinetics",
    ),
    _layout(
        "kylemin/S3D",
        (r"\.(conv|bn)_s\.", r".space.\1."),
        (r"\.(conv|bn)_t\.", r".time.\1."),
        (r"\.conv\.", ".conv3d."),
        head=r"^fc\.0\.",
        root="base",
        branch0=r"\.branch0\.0\.",
        pixels="unit",
    ),
)


@dataclass(frozen=True, kw_only=True)
class S3dConfig(ClipConfig):
    """The normalisation of pixels (`schemas.clips.PIXELS`)."""

    height: int = 224
    width: int = 224
    dropout: float = 0.2
    pixels: str = "kinetics"

    at_least: ClassVar[Mapping[str, int]] = {"frames": 5, "height": 17, "width": 17}
    choices: ClassVar[Mapping[str, Collection[str]]] = {"pixels": tuple(PIXELS)}

    @override
    def clip_format(self) -> ClipFormat:
        resize = (round(self.height * 256 / 224), round(self.width * 256 / 224))
        return self.make_format(resize=resize, fps="15", pixels=PIXELS[self.pixels])


class Separable(nn.Module):
    """A convolution over space, then one over time, each with normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, *, size: int, stride: int) -> None:
        super().__init__()
        space: Size = (1, size, size)
        self.space = Unit(inputs, outputs, kernel=space, stride=(1, stride, stride), same=False, epsilon=EPSILON)
        self.time = Unit(outputs, outputs, kernel=(size, 1, 1), stride=(stride, 1, 1), same=False, epsilon=EPSILON)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C', T', H', W')."""
        joined: Tensor = self.time(self.space(values))
        return joined


def _convolution(inputs: int, outputs: int, *, size: int, stride: int = 1) -> nn.Module:
    if size == 1:
        return Unit(inputs, outputs, kernel=(1, 1, 1), same=False, epsilon=EPSILON)
    return Separable(inputs, outputs, size=size, stride=stride)


def _pool(kernel: Size, stride: Size) -> nn.Module:
    padding = tuple((size - 1) // 2 for size in kernel)
    return nn.MaxPool3d(kernel, stride, padding)


@register_clip_model("s3d", S3dConfig(), parameters=8_320_048, classes=400, gflops=36.0, accuracy=ACCURACY)
class S3d(ClipModel):
    """Inception-v1 with separable convolutions."""

    layouts = LAYOUTS

    def __init__(self, *, num_classes: int, config: S3dConfig) -> None:
        stages, feature_dim = inception_stages(3, channels=config.channels, convolution=_convolution, pool=_pool)
        super().__init__(config=config, stages=stages, feature_dim=feature_dim, num_classes=num_classes)
