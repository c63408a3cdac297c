"""Augmentation of clips: random crops, geometry, colours and blur.

In: uint8 (N, T, H, W, C) on any device. Out: the same shape and type on the same device. N clips, T frames, H height,
W width, C channels, 3 if colours are augmented.

All frames of a clip are transformed alike, each clip differently. Random numbers are drawn from torch's CPU generator,
which training seeds by epoch and worker, so that augmentation is the same on every device. In evaluation clips are
unchanged.

Clips of 2 channels are optical flow, and so are the last 2 of 5: their vectors are mirrored, turned and scaled with the
picture. Colours are those of 3 channels alone.

Crop, zoom, rotation and flip are one affine transformation with bilinear sampling; outside the frame the nearest pixel
is repeated. Colours follow, as defined by torchvision's ColorJitter, in the order brightness, contrast, saturation,
hue, with two differences: contrast is relative to the mean grey of the whole clip, so that frames do not flicker, and
hue is a rotation in the chroma plane of YIQ (NTSC), so that luma is constant. Gaussian blur is last. Values are rounded
once, at the end.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from classifiers.data.augmentation_config import ClipAugmentationConfig

GREY = (0.299, 0.587, 0.114)
YIQ = (GREY, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))  # RGB to luma and chroma
FLOW_CHANNELS = (2, 5)
NO_MOTION = 127.5
BLUR_RADIUS = 3  # standard deviations


class ClipAugmentation(nn.Module):
    """Augments clips at random in training."""

    def __init__(self, config: ClipAugmentationConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, clips: Tensor) -> Tensor:
        """Augment clips, uint8 (N, T, H, W, C)."""
        config = self.config
        if not self.training or not (config.changes_geometry or config.colour or config.blur):
            return clips
        if clips.ndim != 5 or clips.dtype != torch.uint8 or (config.colour and clips.shape[-1] != 3):
            channels = 3 if config.colour else "C"
            raise ValueError(
                f"clips must have the shape (N, T, H, W, {channels}), uint8, for this augmentation, "
                f"not {tuple(clips.shape)}, {str(clips.dtype).removeprefix('torch.')}"
            )
        draws = _Draws(len(clips))
        values = clips.permute(0, 1, 4, 2, 3).float()  # N, T, C, H, W
        if config.changes_geometry:
            values = self._warped(values, draws)
        if config.colour:
            values = self._coloured(values, draws)
        if config.blur:
            values = self._blurred(values, draws)
        return values.round_().clamp_(0, 255).to(torch.uint8).permute(0, 1, 3, 4, 2).contiguous()

    def _warped(self, values: Tensor, draws: _Draws) -> Tensor:
        config = self.config
        count, frames, channels, height, width = values.shape
        aspect = height / width
        mirror = 1 - 2 * draws.happens(config.flip).float()
        # The size of the crop as fractions of width and height, and its centre in coordinates from -1 to 1.
        is_cropped = draws.happens(config.crop)
        area = torch.where(is_cropped, draws.between(*config.crop_area), 1.0)
        ratio = draws.between(*map(math.log, config.crop_ratio)).exp()
        crop_width = torch.where(is_cropped, (area * ratio * aspect).sqrt().clamp(max=1), 1.0)
        crop_height = torch.where(is_cropped, (area / ratio / aspect).sqrt().clamp(max=1), 1.0)
        x, y = draws.between(-1, 1) * (1 - crop_width), draws.between(-1, 1) * (1 - crop_height)
        zoom = torch.where(draws.happens(config.zoom), draws.between(*map(math.log, config.zoom_factor)).exp(), 1.0)
        degrees = draws.between(-config.rotation_degrees, config.rotation_degrees)
        angle = torch.where(draws.happens(config.rotation), degrees, 0.0).deg2rad()
        cosine, sine = angle.cos() / zoom, angle.sin() / zoom
        # The source position of each target: mirrored, rotated, scaled to the crop, moved to its centre.
        rows = [
            torch.stack([crop_width * cosine * mirror, -crop_width * sine * aspect, x], 1),
            torch.stack([crop_height * sine / aspect * mirror, crop_height * cosine, y], 1),
        ]
        theta = torch.stack(rows, 1).to(values.device)  # N, 2, 3
        planes = values.reshape(count, frames * channels, height, width)
        grid = F.affine_grid(theta, list(planes.shape), align_corners=False)
        warped = F.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=False)
        warped = warped.view(count, frames, channels, height, width)
        if channels in FLOW_CHANNELS:
            source = torch.stack(  # of a step of one pixel right, and one down
                [
                    torch.stack([crop_width * cosine * mirror, -crop_width * sine], 1),
                    torch.stack([crop_height * sine * mirror, crop_height * cosine], 1),
                ],
                1,
            ).to(values.device)
            vectors = warped[:, :, -2:] - NO_MOTION
            warped[:, :, -2:] = torch.einsum("nij,ntjhw->ntihw", torch.linalg.inv(source), vectors) + NO_MOTION
        return warped

    def _coloured(self, values: Tensor, draws: _Draws) -> Tensor:
        config = self.config
        is_changed = draws.happens(config.colour)

        def factors(most: float) -> Tensor:
            """Factors (N, 1, 1, 1, 1) that deviate from 1 by at most `most`."""
            drawn = torch.where(is_changed, draws.between(1 - most, 1 + most), 1.0)
            return drawn.to(values.device)[:, None, None, None, None]

        values = (values * factors(config.brightness)).clamp_(0, 255)
        values = _blend(_grey(values).mean((1, 2, 3, 4), keepdim=True), values, factors(config.contrast))
        values = _blend(_grey(values), values, factors(config.saturation))
        turn = torch.where(is_changed, draws.between(-config.hue, config.hue), 0.0) * 2 * math.pi
        to_yiq = torch.tensor(YIQ)
        one, none = torch.ones_like(turn), torch.zeros_like(turn)
        rows = [(one, none, none), (none, turn.cos(), -turn.sin()), (none, turn.sin(), turn.cos())]
        rotation = torch.stack([torch.stack(row, 1) for row in rows], 1)  # N, 3, 3
        mixed = (to_yiq.inverse() @ rotation @ to_yiq).to(values.device)
        return torch.einsum("nij,ntjhw->ntihw", mixed, values).clamp_(0, 255)

    def _blurred(self, values: Tensor, draws: _Draws) -> Tensor:
        is_blurred, deviations = draws.happens(self.config.blur), draws.between(*self.config.blur_pixels)
        blurred = [
            _blur(clip, deviation) if is_changed else clip
            for clip, is_changed, deviation in zip(values, is_blurred.tolist(), deviations.tolist(), strict=True)
        ]
        return torch.stack(blurred)


class _Draws:
    """Random numbers for `count` clips. Every call draws, so that a clip's numbers do not depend on the outcomes."""

    def __init__(self, count: int) -> None:
        self._count = count

    def happens(self, probability: float) -> Tensor:
        """Booleans (N,), True with the given probability."""
        return torch.rand(self._count) < probability

    def between(self, least: float, most: float) -> Tensor:
        """Uniform numbers (N,)."""
        return least + (most - least) * torch.rand(self._count)


def _grey(values: Tensor) -> Tensor:
    """RGB (N, T, 3, H, W) to grey (N, T, 1, H, W)."""
    return GREY[0] * values[:, :, 0:1] + GREY[1] * values[:, :, 1:2] + GREY[2] * values[:, :, 2:3]


def _blend(base: Tensor, values: Tensor, factor: Tensor) -> Tensor:
    return (base + (values - base) * factor).clamp_(0, 255)


def _blur(clip: Tensor, deviation: float) -> Tensor:
    """A blurred clip (T, C, H, W); pixels are mirrored at the border."""
    height, width = clip.shape[2:]
    radius = min(math.ceil(BLUR_RADIUS * deviation), height - 1, width - 1)
    weights = [math.exp(-((offset / deviation) ** 2) / 2) for offset in range(-radius, radius + 1)]
    padded = F.pad(clip, (radius, radius, radius, radius), mode="reflect")
    for axis, size in ((2, height), (3, width)):  # sums of shifted frames are faster than one-channel convolutions
        shifted = [padded.narrow(axis, offset, size) for offset in range(len(weights))]
        padded = torch.zeros_like(shifted[0])
        for weight, frames in zip(weights, shifted, strict=True):
            padded.add_(frames, alpha=weight / sum(weights))
    return padded
