"""Pictures of a mouth for lip-reading networks.

In: frames uint8 (T, H, W, 3) RGB and, for aligned crops, their `MouthTrack`. Out: a `Mouth`, or uint8 (T, h, w, 3).

Aligned crops turn the eye line level, and centre the lips. Their size is that of the lips' median width over the clip,
so that a mouth that opens does not zoom.

The fixed crop is that of the public Keras tutorial on GRID: rows 190 to 236, columns 80 to 220 of 288 x 360 pixels.
Normalisation, grey among it, is the network's (`classifiers.data.lip_frames`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from extractors.faces.mouths import MouthTrack
from extractors.faces.regions import Region, angle_radians, pixels_of
from extractors.networks.image_input import as_image_tensor
from schemas.lips import FIXED_SIZE, LipInput
from schemas.outcomes import FailureCode, VideoError

FIXED_FRAME = (288, 360)
FIXED_CORNER = (190, 80)  # top, left


@dataclass(frozen=True)
class Mouth:
    """A video (T, H, W, 3), the boxes of the lips in it, (T, 4) in pixels, and the crops (T, h, w, 3)."""

    frames: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    crops: NDArray[np.uint8]

    @property
    def is_blank(self) -> bool:
        """Whether all pixels of the crops are equal, so that they show no mouth."""
        return bool(self.crops.min() == self.crops.max())


def mouth_of(frames: NDArray[np.uint8], track: MouthTrack | None, look: LipInput) -> Mouth:
    """The mouth in `frames`; without a track, in its fixed place.

    Raises:
        VideoError: if there is no fixed place in frames of their size.
    """
    if track is None:
        return Mouth(frames, fixed_boxes(len(frames)), fixed_crop(frames))
    crops = aligned_crops(frames, track, look.height, look.width, lips_share=look.lips_share)
    return Mouth(frames, track.boxes, crops)


def aligned_crops(
    frames: NDArray[np.uint8], track: MouthTrack, height: int, width: int, *, lips_share: float
) -> NDArray[np.uint8]:
    """The mouth in all frames; `lips_share` is that of the lips in the width of the picture."""
    scale = float(np.median(track.boxes[:, 2] - track.boxes[:, 0])) / (lips_share * width)
    pictures = np.empty((len(frames), height, width, 3), np.uint8)
    for number, (image, (x, y), line) in enumerate(zip(frames, track.centres.tolist(), track.eye_lines, strict=True)):
        region = Region(x, y, scale, angle_radians(line))
        pixels = pixels_of(as_image_tensor(image), region, height, width)
        pictures[number] = pixels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return pictures


def fixed_crop(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The place of the mouth in the GRID corpus: (T, 46, 140, 3).

    Raises:
        VideoError: if the frames have another size than those of the corpus.
    """
    if frames.shape[1:3] != FIXED_FRAME:
        height, width = frames.shape[1:3]
        raise VideoError(
            FailureCode.NO_FACE,
            f"its frames are {width} x {height} pixels, and the fixed place of the mouth is that of the GRID corpus, "
            "360 x 288 (--crop found: find the mouth instead)",
        )
    (top, left), (height, width) = FIXED_CORNER, FIXED_SIZE
    return frames[:, top : top + height, left : left + width]


def fixed_boxes(count: int) -> NDArray[np.float32]:
    """The place of the fixed crop in `count` frames: (T, 4) left, top, right, bottom, in pixels."""
    (top, left), (height, width) = FIXED_CORNER, FIXED_SIZE
    return np.tile(np.array([left, top, left + width, top + height], np.float32), (count, 1))
