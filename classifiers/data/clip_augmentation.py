"""Clips → clips as they might have been recorded as well: what training sees in place of the same ones every epoch.

In: uint8 (N, T, H, W, C) on any device. Out: likewise, of the same shape and on the same device. N clips, T frames,
H height, W width, C channels, 3 of them where colours change.

All frames of a clip change alike, since no camera jumps from frame to frame; each clip changes in its own way. What
happens is drawn from torch's generator of the CPU, which training seeds by epoch and worker, so that it is the same on
every device. In evaluation clips pass as they are.

Where a clip is looked at (crop, zoom, rotation, flip) is one affine map and one bilinear look at the pixels; beyond the
edge the nearest pixel goes on. Then come colours, by the definitions of torchvision's ColorJitter, in this order:
brightness, contrast, saturation, hue. Two things differ: contrast goes about the mean grey of the whole clip, so that
nothing flickers, and a hue is an angle in the plane of NTSC's colour differences, so that luma stays. A Gaussian blur
is the last. Nothing is rounded before the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GREY = (0.299, 0.587, 0.114)
YIQ = (GREY, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))  # RGB to luma and colour differences
BLUR_REACH = 3  # standard deviations


@dataclass(frozen=True, kw_only=True)
class ClipAugmentationConfig:
    """How likely each change is for a clip, and how far it goes; by default there is none.

    flip              probability of a mirror image, left for right
    crop              … of a part, of which area and ratio of width to height are drawn, brought to the clip's size
    zoom              … of going nearer, by a factor of `zoom_factor` (below 1: away)
    rotation          … of turning, by up to `rotation_degrees` to either side
    colour            … of other colours: brightness, contrast and saturation are factors of up to so much from 1, the
                      hue turns by up to that part of a full turn
    blur              … of a Gaussian blur whose standard deviation is `blur_pixels`
    """

    flip: float = 0.0
    crop: float = 0.0
    crop_area: tuple[float, float] = (0.5, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    zoom: float = 0.0
    zoom_factor: tuple[float, float] = (1.0, 1.2)
    rotation: float = 0.0
    rotation_degrees: float = 10.0
    colour: float = 0.0
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: float = 0.05
    blur: float = 0.0
    blur_pixels: tuple[float, float] = (0.1, 1.5)

    def __post_init__(self) -> None:
        """Refuse what cannot be, all of it at once."""
        limits = dict.fromkeys(("flip", "crop", "zoom", "rotation", "colour", "blur"), (0.0, 1.0))
        limits |= dict.fromkeys(("brightness", "contrast", "saturation"), (0.0, 1.0))
        limits |= {"hue": (0.0, 0.5), "rotation_degrees": (0.0, 180.0), "crop_area": (0.01, 1.0)}
        limits |= dict.fromkeys(("crop_ratio", "zoom_factor"), (0.1, 10.0)) | {"blur_pixels": (0.01, 100.0)}
        problems = []
        for field in fields(self):
            value, (least, most) = getattr(self, field.name), limits[field.name]
            ends = value if isinstance(value, tuple) else (value, value)
            if len(ends) != 2 or not least <= ends[0] <= ends[1] <= most:
                problems.append(
                    f"{field.name} is {value}, it must lie between {least:g} and {most:g}, the lower end first"
                )
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def changes_geometry(self) -> bool:
        """Whether pixels may move."""
        return max(self.flip, self.crop, self.zoom, self.rotation) > 0


class ClipAugmentation(nn.Module):
    """Changes clips in training, each by chance."""

    def __init__(self, config: ClipAugmentationConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, clips: Tensor) -> Tensor:
        """Clips, uint8 (N, T, H, W, C), as they might have been."""
        config = self.config
        if not self.training or not (config.changes_geometry or config.colour or config.blur):
            return clips
        if clips.ndim != 5 or clips.dtype != torch.uint8 or (config.colour and clips.shape[-1] != 3):
            wanted = 3 if config.colour else "C"
            raise ValueError(
                f"clips of shape (N, T, H, W, {wanted}), uint8, can be augmented like that, "
                f"not {tuple(clips.shape)}, {str(clips.dtype).removeprefix('torch.')}"
            )
        draws = _Draws(len(clips))
        values = clips.permute(0, 1, 4, 2, 3).float()  # N, T, C, H, W
        if config.changes_geometry:
            values = self._looked_at(values, draws)
        if config.colour:
            values = self._coloured(values, draws)
        if config.blur:
            values = self._blurred(values, draws)
        return values.round_().clamp_(0, 255).to(torch.uint8).permute(0, 1, 3, 4, 2).contiguous()

    def _looked_at(self, values: Tensor, draws: _Draws) -> Tensor:
        config = self.config
        count, frames, channels, height, width = values.shape
        aspect = height / width
        mirror = 1 - 2 * draws.happens(config.flip).float()
        # The part that is seen, as fractions of both sides, and where its middle lies in coordinates from -1 to 1.
        is_cropped = draws.happens(config.crop)
        area = torch.where(is_cropped, draws.between(*config.crop_area), 1.0)
        ratio = draws.between(*map(math.log, config.crop_ratio)).exp()
        along = torch.where(is_cropped, (area * ratio * aspect).sqrt().clamp(max=1), 1.0)
        down = torch.where(is_cropped, (area / ratio / aspect).sqrt().clamp(max=1), 1.0)
        left, top = draws.between(-1, 1) * (1 - along), draws.between(-1, 1) * (1 - down)
        nearer = torch.where(draws.happens(config.zoom), draws.between(*map(math.log, config.zoom_factor)).exp(), 1.0)
        degrees = draws.between(-config.rotation_degrees, config.rotation_degrees)
        angle = torch.where(draws.happens(config.rotation), degrees, 0.0).deg2rad()
        cosine, sine = angle.cos() / nearer, angle.sin() / nearer
        # From where in the clip each target is taken: mirrored, turned, shrunk to the part, moved to its place.
        rows = [
            torch.stack([along * cosine * mirror, -along * sine * aspect, left], 1),
            torch.stack([down * sine / aspect * mirror, down * cosine, top], 1),
        ]
        theta = torch.stack(rows, 1).to(values.device)  # N, 2, 3
        planes = values.reshape(count, frames * channels, height, width)
        grid = F.affine_grid(theta, list(planes.shape), align_corners=False)
        seen = F.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return seen.view(count, frames, channels, height, width)

    def _coloured(self, values: Tensor, draws: _Draws) -> Tensor:
        config = self.config
        is_changed = draws.happens(config.colour)

        def factors(most: float) -> Tensor:
            """(N, 1, 1, 1, 1)."""
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
    """Chances of `count` clips. Each call draws, whatever comes of it."""

    def __init__(self, count: int) -> None:
        self._count = count

    def happens(self, probability: float) -> Tensor:
        """Booleans (N,)."""
        return torch.rand(self._count) < probability

    def between(self, least: float, most: float) -> Tensor:
        """Numbers (N,) with equal chances."""
        return least + (most - least) * torch.rand(self._count)


def _grey(values: Tensor) -> Tensor:
    """(N, T, 3, H, W) to (N, T, 1, H, W)."""
    return GREY[0] * values[:, :, 0:1] + GREY[1] * values[:, :, 1:2] + GREY[2] * values[:, :, 2:3]


def _blend(base: Tensor, values: Tensor, factor: Tensor) -> Tensor:
    return (base + (values - base) * factor).clamp_(0, 255)


def _blur(clip: Tensor, deviation: float) -> Tensor:
    """A clip (T, C, H, W), blurred; beyond the edge its pixels are mirrored."""
    height, width = clip.shape[2:]
    reach = min(math.ceil(BLUR_REACH * deviation), height - 1, width - 1)
    weights = [math.exp(-((place / deviation) ** 2) / 2) for place in range(-reach, reach + 1)]
    padded = F.pad(clip, (reach, reach, reach, reach), mode="reflect")
    for axis, size in ((2, height), (3, width)):  # sums of shifted pictures: convolutions of one channel are slower
        shifted = [padded.narrow(axis, place, size) for place in range(len(weights))]
        padded = torch.zeros_like(shifted[0])
        for weight, picture in zip(weights, shifted, strict=True):
            padded.add_(picture, alpha=weight / sum(weights))
    return padded
