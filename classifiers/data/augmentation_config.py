"""How clips are augmented (`classifiers.data.clip_augmentation`)."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class ClipAugmentationConfig:
    """Probability and range of each transformation; all are off by default.

    flip      probability of a horizontal flip
    crop      … of a random crop with an area in `crop_area` (of the frame) and an aspect ratio, width over height, in
              `crop_ratio`, resized to the clip's size
    zoom      … of a zoom by a factor in `zoom_factor`; below 1 zooms out
    rotation  … of a rotation by up to `rotation_degrees` in either direction
    colour    … of a colour change: `brightness`, `contrast` and `saturation` are the largest deviation of their factors
              from 1, `hue` the largest part of a full turn
    blur      … of a Gaussian blur with a standard deviation in `blur_pixels`
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
        """Check the values; reports all problems at once."""
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
                    f"{field.name} is {value}, it must be between {least:g} and {most:g}, the lower end first"
                )
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def changes_geometry(self) -> bool:
        """Whether any geometric transformation is on."""
        return max(self.flip, self.crop, self.zoom, self.rotation) > 0
