"""Prepared frames to the device of the network, several alike in one copy.

In: `PreparedFrame`s of uint8 pixels (h, w, 3) on the host, as they come. Out: `PreparedFrame`s of pixels (n, h, w, 3)
on the device: runs of frames with the same geometry, in order.

One copy and one pass of the resize for a group, in place of some twenty launches for each frame, which at thousands of
frames a second would be all that a host thread gets done. On CUDA the copy starts from pinned memory on a stream of its
own, so that it overlaps with the network's work on the frames before. A frame's pixels are copied off when it comes:
the decoder may use its memory again. On a CPU groups bring nothing; there they hold one frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from extractors.networks.image_input import PreparedFrame

GROUP_FRAMES = {"cpu": 1, "cuda": 32}


def sent_in_groups(frames: Iterable[PreparedFrame], device: torch.device, most: int) -> Iterator[PreparedFrame]:
    """The frames on the device, in groups of at most `most`."""
    copies = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
    held, count = PreparedFrame(torch.empty(0), 0, 0), 0
    for frame in frames:
        geometry = (frame.pixels.shape, frame.height, frame.width)
        if count and (count == most or geometry != (held.pixels.shape[1:], held.height, held.width)):
            yield held._replace(pixels=_sent(held.pixels[:count], device, copies))
            count = 0
        if count == 0:
            # New memory for each group, since the copy from the last one may not be over; torch keeps it for reuse.
            staging = torch.empty((most, *frame.pixels.shape), dtype=torch.uint8, pin_memory=copies is not None)
            held = frame._replace(pixels=staging)
        held.pixels[count].copy_(frame.pixels)
        count += 1
    if count:
        yield held._replace(pixels=_sent(held.pixels[:count], device, copies))


def _sent(pixels: Tensor, device: torch.device, copies: torch.cuda.Stream | None) -> Tensor:
    """The pixels on the device, where work queued on the current stream from now on finds them complete."""
    if copies is None:
        return pixels.to(device)
    with torch.cuda.stream(copies):
        there = pixels.to(device, non_blocking=True)
    current = torch.cuda.current_stream(device)
    current.wait_stream(copies)
    there.record_stream(current)
    return there
