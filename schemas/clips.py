"""The input of a clip classifier: a number of frames of a video, of one size, with normalised pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MAX_PIXELS = 1 << 28  # of all frames of a clip; the largest public networks take 13 million
MAX_SIDE = 1 << 14
TVL1, DIS = "tvl1", "dis"
FLOWS = (TVL1, DIS)


@dataclass(frozen=True, kw_only=True)
class ClipFormat:
    """How frames become a network's input; weights belong to one format.

    frames         T, of a clip
    height, width  H and W of the crop of each frame
    resize         size of a frame before it is cropped: (height, width), or (shorter side,)
    fps            frames a second, as a decimal or a fraction; None: all frames of the video
    mean, std      of each channel: x of 0..255 becomes (x / 255 - mean) / std
    flow           method of the optical flow, one of `FLOWS`, which is all of 2 channels or follows RGB as the last 2
                   of 5; None: RGB alone
    """

    frames: int
    height: int
    width: int
    resize: tuple[int, ...]
    fps: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flow: str | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        sizes = {"frames": self.frames, "height": self.height, "width": self.width}
        problems = [f"{name} is {size}, it must be at least 1" for name, size in sizes.items() if size < 1]
        if self.frames * self.height * self.width > MAX_PIXELS:
            problems.append(
                f"{self.frames} frames of {self.height} x {self.width} have more than {MAX_PIXELS:,} pixels"
            )
        if max(self.resize, default=0) > MAX_SIDE:
            problems.append(f"resize is {self.resize}, at most {MAX_SIDE} are allowed")
        if len(self.resize) not in (1, 2):
            problems.append(f"resize is {self.resize}: (height, width) or (shorter side,) is wanted")
        elif self.resize[0] < self.height or self.resize[-1] < self.width:
            problems.append(f"resize {self.resize} is too small to cut {self.height} x {self.width} out of it")
        if not self.mean or len(self.mean) != len(self.std):
            problems.append(f"{len(self.mean)} means and {len(self.std)} deviations: one of each a channel is wanted")
        if min(self.std, default=1.0) <= 0:
            problems.append(f"std is {self.std}, each must be above 0")
        if self.flow is not None and self.flow not in FLOWS:
            problems.append(f"flow is {self.flow!r}, it must be one of {', '.join(FLOWS)}")
        if self.flow is not None and self.channels not in (2, 5):
            problems.append(f"{self.channels} channels with flow: 2, or 5 with RGB before it, are wanted")
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def channels(self) -> int:
        """C: 3 for pictures, 2 for optical flow, 5 for both."""
        return len(self.mean)

    @property
    def has_rgb(self) -> bool:
        """Whether the first 3 channels are RGB."""
        return self.channels >= 3

    def identity(self) -> dict[str, Any]:
        """All fields by name. That of flow is left out of RGB, whose records may be older than the field."""
        return {name: value for name, value in asdict(self).items() if name != "flow" or value is not None}


@dataclass(frozen=True, kw_only=True)
class ClipInput:
    """Input format of a trained clip classifier, and how clips were sampled from the videos that it was evaluated on.

    sampling   the fields of `extractors.clips.sampling.ClipSampling`
    """

    format: ClipFormat
    sampling: Mapping[str, Any]


# Normalisation of pixels for published weights, by the names that configurations give it.
UNIT: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}  # 0..1
SIGNED: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}  # -1..1
BYTES: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}  # 0..255
IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
KINETICS: dict[str, Any] = {  # of torchvision's video models
    "mean": (0.43216, 0.394666, 0.37645),
    "std": (0.22803, 0.22145, 0.216989),
}
PIXELS = {"unit": UNIT, "signed": SIGNED, "bytes": BYTES, "imagenet": IMAGENET, "kinetics": KINETICS}
