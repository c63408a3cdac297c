"""Decoding of clips for clip classifiers.

In: a path or a seekable binary file object, the clip's format and its sampling. Out: uint8 (V, T, H, W, C), upright; C
is RGB, optical flow (`extractors.flow.fields`), or both, by the format. V is views x crops, with the crops of a view
adjacent. Dimensions: V clips, T frames, C channels, H height, W width.

Frames are chosen by their time on screen (`extractors.clips.sampling`), never by an index times a frame rate; clips
without a frame rate of their own take consecutive frames of the video. Only the necessary packets are decoded, to the
same bits as in a full decode (`extractors.video.selective_decode`): reading starts at the group of pictures that holds
the clip, or at the start of the file if the container has no index.

Where timestamps or syntax are ambiguous, such as in a damaged file, every frame is decoded, twice: once to list the
frames, and once for those of the clips. A moment whose frame is lost or damaged then gets the nearest intact frame.

Flow is that from a frame of the clip to the next one at the clip's rate, computed after resizing and before cropping.
The published recipe has one field less than frames; here the last frame of a video shows the motion that led to it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np

from extractors.clips.crops import crop_corners, resized
from extractors.clips.frame_times import FrameTimes, rounding_ticks
from extractors.clips.passes import UNSURE, Image, fully_decoded_clips, selective_clips
from extractors.clips.sampling import ClipSampling
from extractors.flow.fields import flow_fields
from extractors.video.grid import as_fps
from extractors.video.media import MAX_PIXELS, Source
from schemas.clips import ClipFormat

logger = logging.getLogger(__name__)

Seconds = int | float | Fraction


def decode_clips(
    source: Source,
    clip_format: ClipFormat,
    sampling: ClipSampling,
    *,
    seed: int = 0,
    start_seconds: Seconds = 0,
    end_seconds: Seconds | None = None,
    selective: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> Image:
    """The clips (V, T, H, W, C) of the part of `source` between `start_seconds` and `end_seconds`.

    seed       of random placements and crops: the same seed gives the same clips
    selective  False decodes every frame, to the same clips

    Raises:
        VideoError: for a file that cannot be read as a video, or without a decodable frame.
        ValueError: for a format that is neither RGB nor names its optical flow.
    """
    end = None if end_seconds is None else Fraction(end_seconds)
    request = ClipRequest(clip_format, sampling, seed, Fraction(start_seconds), end)
    if selective:
        try:
            return _in_order(selective_clips(source, request, max_pixels))
        except UNSURE as error:
            logger.debug("decoding every frame: %s", error)
    return _in_order(fully_decoded_clips(source, request, max_pixels))


@dataclass(frozen=True)
class ClipRequest:
    """The clips to take from the part of one video between `start_seconds` and `end_seconds`."""

    clip_format: ClipFormat
    sampling: ClipSampling
    seed: int
    start_seconds: Fraction
    end_seconds: Fraction | None
    reaches_end = False

    def __post_init__(self) -> None:
        """Refuse clips that are neither RGB nor optical flow."""
        channels = self.clip_format.channels
        if channels != 3 and self.clip_format.flow is None:
            raise ValueError(
                f"clips of {channels} channels cannot be decoded from a video, which gives 3 (RGB), unless the format "
                "names the method of the optical flow"
            )

    def resized(self, image: Image) -> Image:
        """A frame in its size before it is cropped."""
        return resized(image, self.clip_format.resize)

    def moments(self, times: FrameTimes, tick: Fraction) -> dict[int, list[int]]:
        """The timestamps of the T frames of each view, in ticks; for optical flow also of T pairs: 3 T in all."""
        sampling, frames, with_pairs = self.sampling, self.clip_format.frames, self.clip_format.flow is not None
        rng = np.random.default_rng([self.seed, 0])
        rounding = rounding_ticks(tick)
        # A part after the end of the video is replaced by the last frame.
        last_ticks = Fraction(times.end_pts - times.origin - 1)
        start_ticks = min((self.start_seconds + Fraction(sampling.start_seconds)) / tick, last_ticks)
        stop = times.end_pts if self.end_seconds is None else times.origin + ceil(self.end_seconds / tick)
        stop = max(min(stop, times.end_pts), times.origin + floor(start_ticks) + 1)
        if self.clip_format.fps is None and sampling.placement != "equal":
            start_pts = times.origin + (floor(start_ticks + rounding) if start_ticks else 0)
            sequence = times.sequence(start_pts, stop)
            views = sampling.positions(frames, sequence.count, rng, with_pairs=with_pairs)
            return dict(enumerate(map(sequence.timestamps, views)))
        rate = as_fps(self.clip_format.fps or 1)  # equal distances do not depend on the rate
        length = (stop - times.origin - start_ticks) * tick * rate
        first = start_ticks + rounding
        return {
            view: [min(times.origin + floor(first + position / rate / tick), stop - 1) for position in positions]
            for view, positions in enumerate(sampling.positions(frames, length, rng, with_pairs=with_pairs))
        }

    def clip(self, number: int, images: Sequence[Image]) -> Image:
        """The crops (crops, T, H, W, C) of the resized frames of view `number`, in the order of `moments`."""
        sampling, height, width = self.sampling, self.clip_format.height, self.clip_format.width
        position: tuple[float, float] | None = None
        if sampling.random_crop:
            down, right = np.random.default_rng([self.seed, 1]).random((number + 1, 2))[number].tolist()
            position = down, right
        layers = images if self.clip_format.flow is None else self._with_flow(images, self.clip_format.flow)
        clips = np.empty((sampling.crops, len(layers), height, width, self.clip_format.channels), np.uint8)
        for place, image in enumerate(layers):  # their size may change within a video
            corners = crop_corners(image, height, width, crops=sampling.crops, position=position)
            for crop, (top, left) in enumerate(corners):
                clips[crop, place] = image[top : top + height, left : left + width]
        return clips

    def _with_flow(self, images: Sequence[Image], method: str) -> Sequence[Image]:
        """T frames, then T first and T second ones of pairs, as T fields of flow (H, W, 2), or after RGB (H, W, 5)."""
        count = len(images) // 3
        fields = flow_fields(list(zip(images[count : 2 * count], images[2 * count :], strict=True)), method)
        if not self.clip_format.has_rgb:
            return fields
        return [np.concatenate(both, axis=2) for both in zip(images[:count], fields, strict=True)]


def _in_order(clips: Iterable[tuple[int, Image]]) -> Image:
    by_view = dict(clips)
    return np.concatenate([by_view[view] for view in range(len(by_view))])
