"""Inception v3 as a frame embedder: images to 2048 pooled features, and to the logits of its classes.

In: float32 (B, 3, 299, 299), RGB, scaled to about [-1, 1] by `image_input`. Out: features float32 (B, 2048), logits
float32 (B, K). Dimensions: B batch, C channels, H height, W width, D feature, K classes.

Source: Szegedy et al. 2015, "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567. Module names
are those of the public PyTorch checkpoints, so that their state dicts load strictly. Three variants:

- `inception_2015`: the TensorFlow graph of 2015-12-05 that YouTube-8M's features were extracted with (and the FID score
  is computed with). Average pools exclude the padding, the pool branch of the last block is a max pool, K = 1008.
  23,850,960 parameters.
- `inception_imagenet`: torchvision's weights. Average pools include the padding, K = 1000. 23,834,568 parameters, and
  3,326,696 of an auxiliary head used in training only: its keys are accepted and ignored.
- `inception_keras`: Keras's application, or a network fine-tuned from it, without what follows the features: K = 0.
  Average pools exclude the padding. 21,785,568 parameters, 17,216 of them scales of batch norms, which are 1.

Different from all three: inference only (no dropout, no auxiliary output), and the mean over positions is in float32
whatever the precision of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from extractors.networks.sizes import FEATURE_DIM

Width = Callable[[int], int]  # from the channels of a layer in the public networks to its own


@dataclass(frozen=True)
class InceptionConfig:
    """The differences between the public networks, and the width: all numbers of channels are multiples of 16."""

    num_classes: int
    pool_counts_padding: bool
    last_pool_is_max: bool
    has_aux_head: bool
    sixteenths: int = 16

    def width(self, published: int) -> int:
        """The channels of a layer that has `published` ones in the public networks."""
        return published * self.sixteenths // 16


class ConvBlock(nn.Module):
    """Convolution without bias, batch norm, ReLU: (B, C_in, H, W) to (B, C_out, H', W')."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        *,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H', W')."""
        return functional.relu(self.bn(self.conv(x)))


class GridBlock35(nn.Module):
    """Inception block at 35 x 35 (Mixed_5b to 5d): (B, c_in, 35, 35) to (B, 224 + pool_channels, 35, 35)."""

    def __init__(self, c_in: int, *, pool_channels: int, pool_counts_padding: bool, width: Width = int) -> None:
        super().__init__()
        c_in = width(c_in)
        self.branch1x1 = ConvBlock(c_in, width(64), kernel=1)
        self.branch5x5_1 = ConvBlock(c_in, width(48), kernel=1)
        self.branch5x5_2 = ConvBlock(width(48), width(64), kernel=5, padding=2)
        self.branch3x3dbl_1 = ConvBlock(c_in, width(64), kernel=1)
        self.branch3x3dbl_2 = ConvBlock(width(64), width(96), kernel=3, padding=1)
        self.branch3x3dbl_3 = ConvBlock(width(96), width(96), kernel=3, padding=1)
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=pool_counts_padding)
        self.branch_pool = ConvBlock(c_in, width(pool_channels), kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Four branches, concatenated over channels."""
        branches = [
            self.branch1x1(x),
            self.branch5x5_2(self.branch5x5_1(x)),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            self.branch_pool(self.pool(x)),
        ]
        return torch.cat(branches, 1)


class ReduceTo17(nn.Module):
    """Mixed_6a: (B, 288, 35, 35) to (B, 768, 17, 17)."""

    def __init__(self, width: Width = int) -> None:
        super().__init__()
        self.branch3x3 = ConvBlock(width(288), width(384), kernel=3, stride=2)
        self.branch3x3dbl_1 = ConvBlock(width(288), width(64), kernel=1)
        self.branch3x3dbl_2 = ConvBlock(width(64), width(96), kernel=3, padding=1)
        self.branch3x3dbl_3 = ConvBlock(width(96), width(96), kernel=3, stride=2)
        self.pool = nn.MaxPool2d(3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Three branches, concatenated over channels."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, self.pool(x)], 1)


class GridBlock17(nn.Module):
    """Inception block at 17 x 17 (Mixed_6b to 6e): (B, 768, 17, 17) to the same; 7 x 7 kernels are factorised."""

    def __init__(self, *, c_middle: int, pool_counts_padding: bool, width: Width = int) -> None:
        super().__init__()
        c = width(c_middle)
        row: dict[str, tuple[int, int]] = {"kernel": (1, 7), "padding": (0, 3)}
        column: dict[str, tuple[int, int]] = {"kernel": (7, 1), "padding": (3, 0)}
        self.branch1x1 = ConvBlock(width(768), width(192), kernel=1)
        self.branch7x7_1 = ConvBlock(width(768), c, kernel=1)
        self.branch7x7_2 = ConvBlock(c, c, kernel=row["kernel"], padding=row["padding"])
        self.branch7x7_3 = ConvBlock(c, width(192), kernel=column["kernel"], padding=column["padding"])
        self.branch7x7dbl_1 = ConvBlock(width(768), c, kernel=1)
        self.branch7x7dbl_2 = ConvBlock(c, c, kernel=column["kernel"], padding=column["padding"])
        self.branch7x7dbl_3 = ConvBlock(c, c, kernel=row["kernel"], padding=row["padding"])
        self.branch7x7dbl_4 = ConvBlock(c, c, kernel=column["kernel"], padding=column["padding"])
        self.branch7x7dbl_5 = ConvBlock(c, width(192), kernel=row["kernel"], padding=row["padding"])
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=pool_counts_padding)
        self.branch_pool = ConvBlock(width(768), width(192), kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Four branches, concatenated over channels."""
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(self.pool(x))], 1)


class ReduceTo8(nn.Module):
    """Mixed_7a: (B, 768, 17, 17) to (B, 1280, 8, 8)."""

    def __init__(self, width: Width = int) -> None:
        super().__init__()
        self.branch3x3_1 = ConvBlock(width(768), width(192), kernel=1)
        self.branch3x3_2 = ConvBlock(width(192), width(320), kernel=3, stride=2)
        self.branch7x7x3_1 = ConvBlock(width(768), width(192), kernel=1)
        self.branch7x7x3_2 = ConvBlock(width(192), width(192), kernel=(1, 7), padding=(0, 3))
        self.branch7x7x3_3 = ConvBlock(width(192), width(192), kernel=(7, 1), padding=(3, 0))
        self.branch7x7x3_4 = ConvBlock(width(192), width(192), kernel=3, stride=2)
        self.pool = nn.MaxPool2d(3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Three branches, concatenated over channels."""
        single = self.branch3x3_2(self.branch3x3_1(x))
        factored = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return torch.cat([single, self.branch7x7x3_4(factored), self.pool(x)], 1)


class GridBlock8(nn.Module):
    """Inception block at 8 x 8 (Mixed_7b and 7c): (B, c_in, 8, 8) to (B, 2048, 8, 8); two branches fork at the end."""

    def __init__(self, c_in: int, *, pool: nn.Module, width: Width = int) -> None:
        super().__init__()
        c_in = width(c_in)
        self.branch1x1 = ConvBlock(c_in, width(320), kernel=1)
        self.branch3x3_1 = ConvBlock(c_in, width(384), kernel=1)
        self.branch3x3_2a = ConvBlock(width(384), width(384), kernel=(1, 3), padding=(0, 1))
        self.branch3x3_2b = ConvBlock(width(384), width(384), kernel=(3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = ConvBlock(c_in, width(448), kernel=1)
        self.branch3x3dbl_2 = ConvBlock(width(448), width(384), kernel=3, padding=1)
        self.branch3x3dbl_3a = ConvBlock(width(384), width(384), kernel=(1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = ConvBlock(width(384), width(384), kernel=(3, 1), padding=(1, 0))
        self.pool = pool
        self.branch_pool = ConvBlock(c_in, width(192), kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Six outputs of four branches, concatenated over channels."""
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        ends = [
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(self.pool(x)),
        ]
        return torch.cat(ends, 1)


class Head(nn.Linear):
    """The classes' logits; there may be no classes."""

    def reset_parameters(self) -> None:
        """Torch warns of weights that are empty."""
        if self.out_features:
            super().reset_parameters()


class AuxHead(nn.Module):
    """The auxiliary classifier of training, never run: it exists for its checkpoint keys."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.conv0 = ConvBlock(768, 128, kernel=1)
        self.conv1 = ConvBlock(128, 768, kernel=5)
        self.fc = nn.Linear(768, num_classes)


class InceptionV3(nn.Module):
    """The network: `forward_features` gives (B, 2048), `forward_head` logits (B, K)."""

    def __init__(self, config: InceptionConfig) -> None:
        super().__init__()
        self.config = config
        padded, width = config.pool_counts_padding, config.width
        self.Conv2d_1a_3x3 = ConvBlock(3, width(32), kernel=3, stride=2)
        self.Conv2d_2a_3x3 = ConvBlock(width(32), width(32), kernel=3)
        self.Conv2d_2b_3x3 = ConvBlock(width(32), width(64), kernel=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = ConvBlock(width(64), width(80), kernel=1)
        self.Conv2d_4a_3x3 = ConvBlock(width(80), width(192), kernel=3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = GridBlock35(192, pool_channels=32, pool_counts_padding=padded, width=width)
        self.Mixed_5c = GridBlock35(256, pool_channels=64, pool_counts_padding=padded, width=width)
        self.Mixed_5d = GridBlock35(288, pool_channels=64, pool_counts_padding=padded, width=width)
        self.Mixed_6a = ReduceTo17(width)
        self.Mixed_6b = GridBlock17(c_middle=128, pool_counts_padding=padded, width=width)
        self.Mixed_6c = GridBlock17(c_middle=160, pool_counts_padding=padded, width=width)
        self.Mixed_6d = GridBlock17(c_middle=160, pool_counts_padding=padded, width=width)
        self.Mixed_6e = GridBlock17(c_middle=192, pool_counts_padding=padded, width=width)
        self.AuxLogits = AuxHead(num_classes=config.num_classes) if config.has_aux_head else None
        self.Mixed_7a = ReduceTo8(width)
        average = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=padded)
        self.Mixed_7b = GridBlock8(1280, pool=average, width=width)
        last = nn.MaxPool2d(3, stride=1, padding=1) if config.last_pool_is_max else average
        self.Mixed_7c = GridBlock8(2048, pool=last, width=width)
        self.fc = Head(width(FEATURE_DIM), config.num_classes)

    def forward_stem(self, images: Tensor) -> Tensor:
        """(B, 3, 299, 299) in about [-1, 1] to (B, 192, 35, 35), through the layers with the largest activations."""
        x = self.Conv2d_1a_3x3(images)  # B, 32, 149, 149
        x = self.Conv2d_2a_3x3(x)  # B, 32, 147, 147
        x = self.Conv2d_2b_3x3(x)  # B, 64, 147, 147
        x = self.maxpool1(x)  # B, 64, 73, 73
        x = self.Conv2d_3b_1x1(x)  # B, 80, 73, 73
        x = self.Conv2d_4a_3x3(x)  # B, 192, 71, 71
        stem: Tensor = self.maxpool2(x)  # B, 192, 35, 35
        return stem

    def forward_features(self, images: Tensor, *, stem_frames: int | None = None) -> Tensor:
        """(B, 3, 299, 299) in about [-1, 1] to pooled features, float32 (B, 2048).

        `stem_frames` is the number of images that pass through the stem at a time. Its activations for a whole batch
        exceed what the C allocator caches, and allocating them anew can cost a CPU 7 % of the time.
        """
        parts = torch.split(images, stem_frames) if stem_frames else [images]
        x = torch.cat([self.forward_stem(part) for part in parts]) if len(parts) > 1 else self.forward_stem(images)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))  # B, 288, 35, 35
        x = self.Mixed_6a(x)  # B, 768, 17, 17
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))  # B, 768, 17, 17
        x = self.Mixed_7a(x)  # B, 1280, 8, 8
        x = self.Mixed_7c(self.Mixed_7b(x))  # B, 2048, 8, 8
        features: Tensor = x.mean((2, 3), dtype=torch.float32)  # B, 2048
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        """Pooled features (B, 2048) to logits (B, K)."""
        logits: Tensor = self.fc(features)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Images to logits (B, K)."""
        return self.forward_head(self.forward_features(images))


def inception_2015() -> InceptionV3:
    """The network of the TensorFlow graph of 2015-12-05, which YouTube-8M used."""
    return InceptionV3(
        InceptionConfig(num_classes=1008, pool_counts_padding=False, last_pool_is_max=True, has_aux_head=False)
    )


def inception_imagenet() -> InceptionV3:
    """torchvision's Inception v3."""
    return InceptionV3(
        InceptionConfig(num_classes=1000, pool_counts_padding=True, last_pool_is_max=False, has_aux_head=True)
    )


def inception_keras(sixteenths: int = 16) -> InceptionV3:
    """Keras's Inception v3 without its head; of `sixteenths` of the width, for trials."""
    return InceptionV3(
        InceptionConfig(
            num_classes=0,
            pool_counts_padding=False,
            last_pool_is_max=False,
            has_aux_head=False,
            sixteenths=sixteenths,
        )
    )


VARIANTS = {
    "inception-2015": inception_2015,
    "inception-imagenet": inception_imagenet,
    "inception-keras": inception_keras,
}
