"""Transfer of prepared frames to the network's device, grouped by geometry.

In: a stream of `PreparedFrame`s with uint8 pixels (h, w, 3) on the host. Out: `PreparedFrame`s with pixels (n, h, w, 3)
on the device: consecutive frames of the same geometry, in order.

A group takes one copy and one resize instead of about 20 launches per frame, which at thousands of frames per second
would saturate a host thread. On CUDA the copy starts from pinned memory on its own stream, so that it overlaps with the
network's work on earlier frames. Pixels are copied as soon as a frame arrives, since the decoder may reuse its memory.
On a CPU grouping has no benefit; a group is one frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from extractors.networks.image_input import PreparedFrame

GROUP_FRAMES = {"cpu": 1, "cuda": 32}


def sent_in_groups(frames: Iterable[PreparedFrame], device: torch.device, most: int) -> Iterator[PreparedFrame]:
    """The frames on the device, in groups of at most `most`."""
    copy_stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
    group, count = PreparedFrame(torch.empty(0), 0, 0), 0
    for frame in frames:
        geometry = (frame.pixels.shape, frame.height, frame.width)
        if count and (count == most or geometry != (group.pixels.shape[1:], group.height, group.width)):
            yield group._replace(pixels=_sent(group.pixels[:count], device, copy_stream))
            count = 0
        if count == 0:
            # New memory for each group, since the previous copy may not have finished; torch caches it for reuse.
            staging = torch.empty((most, *frame.pixels.shape), dtype=torch.uint8, pin_memory=copy_stream is not None)
            group = frame._replace(pixels=staging)
        group.pixels[count].copy_(frame.pixels)
        count += 1
    if count:
        yield group._replace(pixels=_sent(group.pixels[:count], device, copy_stream))


def _sent(pixels: Tensor, device: torch.device, copy_stream: torch.cuda.Stream | None) -> Tensor:
    """The pixels on the device, complete for all work queued on the current stream from now on."""
    if copy_stream is None:
        return pixels.to(device)
    with torch.cuda.stream(copy_stream):
        sent = pixels.to(device, non_blocking=True)
    current = torch.cuda.current_stream(device)
    current.wait_stream(copy_stream)
    sent.record_stream(current)
    return sent
